"""Proof that whoever uses a publishable key may read about one customer (X5).

A publishable key stands in browsers, where everybody can read it. So the back end of the
application signs the id of the customer who is signed in there, with a secret that was shown
when the key was made, and the browser sends that along:

    X-CUSTOMER-KEY: HMAC-SHA256 acme:<hex of HMAC-SHA256(secret, "acme")>

The secret is not stored: it follows from the key and SECRET_KEY, and ends with either.
"""

import hmac

from django.conf import settings
from django.utils.crypto import salted_hmac

WORD = "HMAC-SHA256 "


def secret_of(lookup: str, secret_key: str | bytes | None = None) -> str:
    """What tokens for the publishable key `lookup` are signed with."""
    return salted_hmac(
        "workspace.customer_tokens", lookup, secret=secret_key, algorithm="sha256"
    ).hexdigest()


def token(customer_id: str, secret: str) -> str:
    """What the back end sends to its browsers."""
    return f"{WORD}{customer_id}:{_signature(customer_id, secret)}"


def customer_of(sent: str, lookup: str) -> str | None:
    """The id of the customer that a token proves; None if it proves nothing."""
    if not sent.startswith(WORD):
        return None
    customer_id, _, signature = sent.removeprefix(WORD).rpartition(":")
    for secret_key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        wanted = _signature(customer_id, secret_of(lookup, secret_key))
        if hmac.compare_digest(wanted.encode(), signature.encode()):
            return customer_id
    return None


def _signature(customer_id: str, secret: str) -> str:
    return hmac.digest(secret.encode(), customer_id.encode(), "sha256").hex()
