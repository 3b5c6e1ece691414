"""Whether this process lives, and whether it can work: asked by whatever starts and watches it."""

from collections.abc import Callable

from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import SAFE_METHODS

from workspace.api import errors
from workspace.api.responses import Response


class HealthMiddleware:
    """Answers `/livez` and `/readyz`: no key, no host name and no encryption is asked for.

    `/livez` says that requests are answered at all, and looks at nothing else: a database
    that is away is no reason to start the process anew. `/readyz` asks the database one
    question; a host that gets no answer should get no requests.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info not in ("/livez", "/readyz"):
            return self.get_response(request)
        try:
            if request.method not in SAFE_METHODS:
                raise MethodNotAllowed(request.method or "")
            if request.path_info == "/readyz":
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
        except (MethodNotAllowed, DatabaseError, InterfaceError) as error:
            return errors.handle(error, {"request": request})
        return Response({"status": "ok"})
