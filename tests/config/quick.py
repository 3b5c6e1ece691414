"""An application that needs no database, to test the web server around it."""

import time
from collections.abc import Callable
from typing import Any

from config.web_worker import WebWorker


class Impatient(WebWorker):
    """Gives nobody more than a moment."""

    patience = 0.2


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Say hello; at `/slow` only after a while, at `/read` to a body that is there."""
    if environ["PATH_INFO"] == "/slow":
        time.sleep(0.5)
    if environ["PATH_INFO"] == "/read":
        environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]
