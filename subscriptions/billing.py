"""What takes a billing provider, which a workspace does not have: refused, never pretended."""

from typing import NoReturn

from subscriptions import finding
from workspace.errors import Conflict


class NoBillingProvider(Conflict):
    """Nobody is connected who could write an invoice."""


class NoUpdatePendingPayment(Conflict):
    """No update of the subscription waits for a payment."""


def charge_usage(*, subscription_id: str) -> NoReturn:
    """Bill what was used so far.

    Raises:
        UnknownSubscription: there is none.
        NoBillingProvider: always.
    """
    finding.find(subscription_id)
    raise NoBillingProvider(
        "No billing provider is connected, so use cannot be charged. It is recorded all the "
        "same: read it from the usage history and the ledger."
    )


def sync_usage(*, subscription_id: str) -> NoReturn:
    """Hand use over to a billing provider.

    Raises:
        UnknownSubscription: there is none.
        NoBillingProvider: always.
    """
    finding.find(subscription_id)
    raise NoBillingProvider("No billing provider is connected that use could be sent to.")


def cancel_pending_payment(*, subscription_id: str) -> NoReturn:
    """Drop an update that waits for its payment; here, updates wait for none.

    Raises:
        UnknownSubscription: there is none.
        NoUpdatePendingPayment: always.
    """
    finding.find(subscription_id)
    raise NoUpdatePendingPayment(
        "No update of this subscription waits for a payment. Scheduled ones are canceled "
        "at /future-update/schedule."
    )
