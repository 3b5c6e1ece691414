import pytest

from tests.scenarios.story import Story


@pytest.fixture
def story(db: None) -> Story:
    return Story()
