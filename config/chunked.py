"""Bodies that come in chunks, so that nobody says beforehand how long they are."""

from collections.abc import Callable, Iterable
from typing import Any

from workspace.api.json import LARGEST_BODY

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class ReadChunks:
    """Lets Django read such a body, which it would take for none.

    The server knows where the body ends, and this says how much of it is looked at: one byte
    more than the API takes, so that it can tell what is too large. Nothing is read here.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if environ.get("wsgi.input_terminated") and "HTTP_TRANSFER_ENCODING" in environ:
            environ["CONTENT_LENGTH"] = str(LARGEST_BODY + 1)
        return self.application(environ, start_response)
