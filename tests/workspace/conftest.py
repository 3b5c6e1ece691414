import pytest

from workspace import keys


@pytest.fixture(autouse=True)
def _no_use_noted_before() -> None:
    keys._noted_at.clear()
    keys._unwritten.clear()
