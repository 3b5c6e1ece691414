import pytest

from tests.workspace.api.conftest import Caller
from workspace.models import KeyKind


@pytest.fixture
def caller(db) -> Caller:
    return Caller()


@pytest.fixture
def reading_caller(db) -> Caller:
    return Caller(KeyKind.READ_ONLY)
