"""Who signed in and out, who could not, and who was turned away, in the activity (X20).

Django says so by signals of its own; a page that is refused says so by its status. Never
recorded is what was typed as a password, nor a name that nobody has: it may be one.
"""

from collections.abc import Callable
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from workspace import activity, actors
from workspace.models import User

FORBIDDEN = 403
LONGEST_ADDRESS = 255


class DeniedAccessMiddleware:
    """Remembers pages that somebody who is signed in may not see."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        user = getattr(request, "user", None)
        if response.status_code == FORBIDDEN and isinstance(user, User):
            _record(
                "access.denied",
                user,
                {
                    "method": request.method,
                    "path": request.path[:LONGEST_ADDRESS],
                    **_from(request),
                },
            )
        return response


def connect() -> None:
    """Listen to what Django says."""
    user_logged_in.connect(_signed_in, dispatch_uid="workspace.sign_ins")
    user_logged_out.connect(_signed_out, dispatch_uid="workspace.sign_ins")
    user_login_failed.connect(_failed, dispatch_uid="workspace.sign_ins")


def _signed_in(sender: Any, request: HttpRequest | None, user: User, **kwargs: Any) -> None:
    if request is not None and request.path:  # else by code, and not at any page
        _record("user.signed_in", user, _from(request))


def _signed_out(sender: Any, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    if user is not None and request.path:
        _record("user.signed_out", user, _from(request))


def _failed(
    sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
) -> None:
    name = str(credentials.get("username", ""))
    user = get_user_model()._default_manager.filter(username=name).first() if name else None
    if isinstance(user, User):
        _record("user.sign_in_failed", user, _from(request), actor=actors.SYSTEM)
    else:
        activity.record(
            "user.sign_in_failed",
            subject=("user", "unknown"),
            actor=actors.SYSTEM,
            now=timezone.now(),
            payload=_from(request),
        )


def _from(request: HttpRequest | None) -> dict[str, Any]:
    address = request.META.get("REMOTE_ADDR", "") if request is not None else ""
    return {"address": address} if address else {}


def _record(
    event: str, user: User, payload: dict[str, Any], actor: actors.Actor | None = None
) -> None:
    activity.record(
        event,
        subject=user,
        actor=actor or actors.for_user(user),
        now=timezone.now(),
        payload=payload,
    )
