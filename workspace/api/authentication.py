"""Who asks, and whether their key reaches so far (X1, X3)."""

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from workspace import actors, keys
from workspace.actors import Actor
from workspace.errors import Forbidden
from workspace.keys import KnownKey
from workspace.models import KeyKind


class ReadOnlyKey(Forbidden):
    """The key may look, but not touch."""


def raw_key(request: Request) -> str:
    """The key that was sent, unchecked.

    Raises:
        Unauthenticated: there is none.
    """
    raw = request.META.get("HTTP_X_API_KEY")
    if not raw:
        raise keys.unauthenticated()
    return raw


class ApiKeyAuthentication(BaseAuthentication):
    """`X-API-KEY`: makes `request.user` the Actor and `request.auth` the KnownKey.

    Cookies mean nothing here, so nothing here needs a CSRF token (X15).
    """

    def authenticate(self, request: Request) -> tuple[Actor, KnownKey]:
        key = keys.authenticate(raw_key(request), timezone.now())
        return actors.for_key(key), key


class KeyScope(BasePermission):
    """Lets read-only keys read."""

    def has_permission(self, request: Request, view: object) -> bool:
        key = request.auth
        if not isinstance(key, KnownKey):
            return False
        if key.kind == KeyKind.READ_ONLY and request.method not in SAFE_METHODS:
            raise ReadOnlyKey("This key may only read.")
        return True
