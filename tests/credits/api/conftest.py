import pytest

from tests.application import Application


@pytest.fixture
def application(db: None) -> Application:
    return Application()
