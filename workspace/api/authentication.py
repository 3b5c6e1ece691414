"""Who asks, and whether their key reaches so far (X1, X3)."""

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from workspace import actors, keys
from workspace.actors import Actor
from workspace.api import scopes
from workspace.keys import KnownKey


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
    """Lets a key do what it was made for."""

    def has_permission(self, request: Request, view: object) -> bool:
        key = request.auth
        if not isinstance(key, KnownKey):
            return False
        scopes.check(key, request)
        return True
