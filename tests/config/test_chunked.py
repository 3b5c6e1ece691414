from io import BytesIO
from typing import Any

import pytest
from django.test import RequestFactory
from django.test.client import ClientHandler

from config.chunked import ReadChunks
from subscriptions.models import Customer
from tests.builders import NOW, a_customer
from workspace import keys
from workspace.actors import SYSTEM
from workspace.api.json import LARGEST_BODY
from workspace.models import KeyKind

pytestmark = pytest.mark.django_db


def post(path: str, body: bytes) -> int:
    """The status of an answer to a body that comes in chunks, as gunicorn hands it over."""
    key = keys.create(name="Application", kind=KeyKind.FULL, actor=SYSTEM, now=NOW).raw
    environ = {
        **RequestFactory().post(path, content_type="application/json").environ,
        "HTTP_X_API_KEY": key,
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input_terminated": True,
        "wsgi.input": BytesIO(body),
    }
    del environ["CONTENT_LENGTH"]
    handler = ClientHandler()
    answer: Any = ReadChunks(lambda environ, _: handler(environ))(environ, print)
    status: int = answer.status_code
    return status


class TestReadChunks:
    def test_lets_a_body_of_unknown_length_be_read(self):
        assert post("/api/v1/customers", b'{"id": "acme"}') == 201

        assert Customer.objects.get().public_id == "acme"

    def test_takes_none_for_none(self):
        a_customer(public_id="acme")

        assert post("/api/v1/customers/acme/archive", b"") == 200

    def test_refuses_what_is_too_large(self):
        """X8."""
        assert post("/api/v1/customers", b" " * (LARGEST_BODY + 1)) == 413
