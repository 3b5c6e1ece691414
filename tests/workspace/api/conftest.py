import pytest

from tests.contract.described import DescribedClient
from tests.workspace.builders import a_key
from workspace.models import KeyKind


class Caller(DescribedClient):
    """An application with a key."""

    def __init__(self, kind: KeyKind = KeyKind.FULL) -> None:
        self.made = a_key(kind)
        super().__init__(headers={"X-API-KEY": self.made.raw})

    def send(self, path: str, body: bytes, content_type: str = "application/json", **headers):
        """POST exactly these bytes."""
        return self.generic("POST", path, body, content_type, headers=headers)


@pytest.fixture
def caller(db) -> Caller:
    return Caller()


@pytest.fixture
def reading_caller(db) -> Caller:
    return Caller(KeyKind.READ_ONLY)
