"""What a subscription gives, asked of the apps that know: stored, or only thought of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import cast

from catalog.models import CreditType
from subscriptions.causes import Cause
from subscriptions.entitlements import CreditSource, credit_sources
from subscriptions.models import (
    Subscription,
    SubscriptionAddon,
    SubscriptionEntitlement,
    UpdateKind,
)
from subscriptions.signals import subscription_change_previewed, subscription_previewed
from subscriptions.terms import Attached, Terms


@dataclass(frozen=True, slots=True)
class Planned:
    """How a subscription would come to be what a preview says: by default, it would start.

    `takes_effect_at` is None for at once; `before` are the terms until then, None if it is new.
    """

    cause: Cause = Cause.START
    resets: bool = False
    takes_effect_at: datetime | None = None
    before: Terms | None = None
    kinds: tuple[UpdateKind, ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """A subscription with its parts; none of them need be stored.

    `sources` are the credits it includes, in the form in which rules read them.
    """

    subscription: Subscription
    addons: tuple[SubscriptionAddon, ...]
    values: tuple[SubscriptionEntitlement, ...]
    sources: tuple[CreditSource, ...]
    planned: Planned = Planned()

    @property
    def terms(self) -> Terms:
        """What it is made of."""
        return _terms(self.subscription, self.addons, self.values)


@dataclass(frozen=True, slots=True)
class SourceLine:
    """What one package adds to a credit type, in words.

    Such as ("Extra API Credits × 3", "30,000 credits / month"). `note` says why it gives
    nothing, if it does (R16).
    """

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class CreditLine:
    """What a subscription gives of one credit type, in words.

    `value` is what recurs: "80,000 credits / month". `granted` is what would be granted at
    once if it were stored now: "80,000 credits now, until 22 Dec 2026, 10:00 UTC"; empty if
    nothing would. `note` is a warning for the whole line (R16). `sources` are those of the
    preview that give this type, in its order.
    """

    credit_type_id: int
    name: str
    value: str
    sources: tuple[SourceLine, ...] = ()
    granted: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class CreditChange:
    """What a subscription that starts or changes does to the credits of one type, in figures.

    The balance just before and after `takes_effect_at`, if nobody uses or grants any until
    then; `granted` is what recurs and is granted at that instant. `next_reset_at` is when
    credits recur for the next time after it, None if never, `granted_at_reset` how many.
    """

    credit_type: CreditType
    takes_effect_at: datetime
    balance_before: Decimal
    balance_after: Decimal
    granted: Decimal
    next_reset_at: datetime | None
    granted_at_reset: Decimal


def preview_of(
    subscription: Subscription,
    addons: Sequence[SubscriptionAddon],
    values: Sequence[SubscriptionEntitlement],
    planned: Planned = Planned(),
) -> Preview:
    """The preview of a subscription whose parts are at hand."""
    sources = credit_sources(_terms(subscription, addons, values))
    return Preview(subscription, tuple(addons), tuple(values), tuple(sources), planned)


def _terms(
    subscription: Subscription,
    addons: Iterable[SubscriptionAddon],
    values: Iterable[SubscriptionEntitlement],
) -> Terms:
    attached = (Attached(row.version, row.quantity, row.attached_at) for row in addons)
    return Terms(subscription.plan_version, tuple(attached), tuple(values))


def preview_of_stored(subscription: Subscription) -> Preview:
    """The preview of a subscription as it is stored; a constant number of queries."""
    addons = SubscriptionAddon.objects.filter(subscription=subscription)
    values = SubscriptionEntitlement.objects.filter(subscription=subscription)
    return preview_of(
        subscription,
        list(addons.select_related("addon__live", "version")),
        list(values.select_related("feature", "credit_type")),
    )


def credit_changes(preview: Preview, *, now: datetime) -> list[CreditChange]:
    """What becomes of balances, as the apps that keep them say it; by name of the type."""
    answers = subscription_change_previewed.send(sender=Subscription, preview=preview, now=now)
    found = [change for _, answer in answers for change in cast(list[CreditChange], answer)]
    return sorted(found, key=lambda change: (change.credit_type.name, change.credit_type.pk))


def credit_lines(preview: Preview, *, now: datetime) -> list[CreditLine]:
    """What the subscription gives, as the apps that grant say it."""
    answers = subscription_previewed.send(sender=Subscription, preview=preview, now=now)
    lines: list[CreditLine] = []
    for _, answer in answers:
        lines += cast(list[CreditLine], answer)
    return lines
