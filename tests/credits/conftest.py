"""After every test that stored something, the books are proven."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from credits import verification

THE_END = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def prove_the_books(request: pytest.FixtureRequest) -> Iterator[None]:
    """Verify every pool, every rule; a test that breaks them on purpose overrides this."""
    stores = request.node.get_closest_marker("django_db") is not None
    if stores:
        request.getfixturevalue("_django_db_helper")
    yield
    if stores:
        assert list(verification.verify_all(THE_END)) == []
