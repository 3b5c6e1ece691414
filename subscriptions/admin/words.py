"""Subscriptions in finished values, as templates show them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.db.models import F

from catalog import wording
from catalog.models import BillingPeriod, Coupon, CreditType, FeatureEntitlement
from subscriptions import entitlements, finding, previews, promotions
from subscriptions.entitlements import CreditSource, EffectiveFeature, FeatureSource
from subscriptions.models import (
    Customer,
    DiscountStatus,
    ScheduledUpdate,
    Status,
    Subscription,
    SubscriptionAddon,
    SubscriptionCoupon,
    UpdateKind,
    UpdateStatus,
)
from subscriptions.previews import CreditLine, Preview
from workspace.admin.base import Badge, Link
from workspace.admin.pages import model_url
from workspace.templatetags.stipend import credits as in_digits
from workspace.templatetags.stipend import day, instant

TONES = {
    Status.NOT_STARTED: "info",
    Status.PAYMENT_PENDING: "warning",
    Status.IN_TRIAL: "primary",
    Status.ACTIVE: "success",
    Status.CANCELED: "danger",
    Status.EXPIRED: "neutral",
}
RUNNING = (Status.ACTIVE, Status.IN_TRIAL, Status.PAYMENT_PENDING)


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """A line of a table of subscriptions."""

    subscription: Subscription
    url: str
    version: str
    badges: list[Badge]
    period: str
    cadence: str
    links: list[Link]


@dataclass(frozen=True, slots=True)
class Source:
    """Where an entitlement comes from.

    `kind` is Plan, Base plan, Add-on, Subscription or Promotional.
    """

    kind: str
    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class EntitlementRow:
    """A line of the entitlement summary."""

    name: str
    kind: str
    value: str
    note: str
    sources: list[Source]


@dataclass(frozen=True, slots=True)
class PriceLine:
    """What one package costs."""

    name: str
    value: str


def badges(subscription: Subscription, now: datetime) -> list[Badge]:
    """The status, and whether an update or a cancelation is pending."""
    status = subscription.status_at(now)
    found = [Badge(status.label, TONES[status])]
    if subscription.next_update_at is not None and subscription.next_update_at > now:
        found.append(Badge("Update scheduled", "info"))
    if subscription.is_cancelation_pending(now):
        found.append(Badge("Cancelation pending", "warning"))
    return found


@dataclass(frozen=True, slots=True)
class UpdateRow:
    """A line of a table of scheduled updates."""

    takes_effect: str
    changes: str
    becomes: str
    badge: Badge
    actor: str
    created: str


UPDATE_TONES = {
    UpdateStatus.SCHEDULED: "info",
    UpdateStatus.DONE: "success",
    UpdateStatus.CANCELED: "neutral",
}


def update_rows(subscription: Subscription, *, at_most: int) -> list[UpdateRow]:
    """The latest scheduled updates as lines of a table, the one that waits first."""
    rows = ScheduledUpdate.objects.filter(subscription=subscription)
    rows = rows.select_related("plan_version").prefetch_related("addons__addon__live")
    by_age = rows.order_by(F("finished_at").desc(nulls_first=True), "-pk")[:at_most]
    return [
        UpdateRow(
            takes_effect=instant(update.takes_effect_at),
            changes=", ".join(UpdateKind(kind).label for kind in update.kinds),
            becomes=_becomes(update, subscription),
            badge=Badge(
                UpdateStatus(update.status).label, UPDATE_TONES[UpdateStatus(update.status)]
            ),
            actor=update.actor_name,
            created=instant(update.created_at),
        )
        for update in by_age
    ]


def _becomes(update: ScheduledUpdate, subscription: Subscription) -> str:
    """Such as "Pro, monthly, Extra API Credits × 3"."""
    version = update.plan_version or subscription.plan_version
    period = BillingPeriod(update.billing_period or BillingPeriod.MONTHLY).label.lower()
    addons = [times(str(row.addon), row.quantity) for row in update.addons.all()]
    return ", ".join([version.name, period, *addons])


def subscription_rows(
    subscriptions: Iterable[Subscription], now: datetime, *, may_change: bool = False
) -> list[SubscriptionRow]:
    """Subscriptions with what they point at, as lines of a table.

    With `may_change` those that last have a menu.
    """
    return [
        SubscriptionRow(
            subscription=subscription,
            url=model_url(Subscription, "change", subscription.pk),
            version=f"v{subscription.plan_version.number}",
            badges=badges(subscription, now),
            period=current_period(subscription, now),
            cadence=cadence(subscription),
            links=_links(subscription) if may_change and not subscription.has_ended(now) else [],
        )
        for subscription in subscriptions
    ]


def _links(subscription: Subscription) -> list[Link]:
    """What may be done with it; who asks comes back to the customer afterwards."""
    back = model_url(Customer, "change", subscription.customer_id)

    def link(label: str, name: str, icon: str, *, is_dangerous: bool = False) -> Link:
        url = f"{model_url(Subscription, name, subscription.pk)}?{urlencode({'next': back})}"
        return Link(label, url, icon=icon, is_dangerous=is_dangerous)

    links = [link("Update", "update", "edit")]
    if subscription.is_legacy:
        links.append(link("Migrate to latest", "migrate", "upgrade"))
    return [*links, link("Cancel subscription", "cancel", "cancel", is_dangerous=True)]


def cadence(subscription: Subscription) -> str:
    """How often it is billed."""
    return BillingPeriod(subscription.billing_period or BillingPeriod.MONTHLY).label


def coupon_choices() -> list[tuple[str, str]]:
    """The coupons that a subscription may be given: id, and "Launch offer: 20 %"."""
    return [
        (coupon.public_id, f"{coupon.name}: {wording.discount(coupon)}")
        for coupon in Coupon.objects.active()
    ]


def coupon(subscription: Subscription, now: datetime) -> str:
    """The coupon it has: "Launch offer: 20 %, until 1 Mar 2027"; empty without one."""
    rows = SubscriptionCoupon.objects.filter(subscription=subscription, removed_at=None)
    row = rows.select_related("coupon").first()
    if row is None or row.status_at(now) != DiscountStatus.ACTIVE:
        return ""
    start = f", from {day(row.starts_at)}" if row.starts_at > now else ""
    end = f", until {day(row.ends_at)}" if row.ends_at else ""
    return f"{row.coupon.name}: {wording.discount(row.coupon)}{start}{end}"


def current_period(subscription: Subscription, now: datetime) -> str:
    """The billing period that runs: "1 Oct 2026 – 1 Nov 2026"; empty if none does."""
    if subscription.status_at(now) not in RUNNING:
        return ""
    start, end = finding.billing_period_at(subscription, now)
    return f"{day(start)} – {day(end)}"


def entitlement_rows(
    preview: Preview, now: datetime, given: Iterable[EffectiveFeature] = ()
) -> list[EntitlementRow]:
    """Credits, then features, each with its sources; a constant number of queries.

    `given` are features that the customer has outside any plan.
    """
    by_type: dict[int, list[CreditSource]] = {}
    for source in preview.sources:
        by_type.setdefault(source.credit_type_id, []).append(source)
    rows = [
        _credit_row(line, by_type[line.credit_type_id])
        for line in previews.credit_lines(preview, now=now)
    ]
    return rows + feature_rows(entitlements.features_under(preview.terms), given)


def feature_rows(
    bought: Iterable[EffectiveFeature], given: Iterable[EffectiveFeature]
) -> list[EntitlementRow]:
    """Features that are bought, or given, or both; a line for each."""
    by_feature = {effective.feature.pk: effective for effective in bought}
    for effective in given:
        own = by_feature.get(effective.feature.pk)
        by_feature[effective.feature.pk] = promotions.together(own, effective) if own else effective
    return [_feature_row(effective) for effective in by_feature.values()]


def _credit_row(line: CreditLine, sources: Sequence[CreditSource]) -> EntitlementRow:
    return EntitlementRow(
        name=line.name,
        kind="Credits",
        value=line.value,
        note=line.note,
        sources=[
            Source(
                kind=_kind(source.source_is_addon, source.inherited_from),
                name=source.inherited_from or told.name,
                value=told.value,
                note=told.note,
            )
            for source, told in zip(sources, line.sources, strict=True)
        ],
    )


def _feature_row(feature: EffectiveFeature) -> EntitlementRow:
    value = wording.feature_value(
        FeatureEntitlement(
            feature=feature.feature,
            is_granted=feature.is_granted,
            usage_limit=feature.usage_limit,
            has_unlimited_usage=feature.has_unlimited_usage,
            enum_values=list(feature.enum_values),
            reset_period=feature.reset_period,
        )
    )
    sources = [_feature_source(source) for source in feature.sources]
    if feature.is_set_here:
        sources.append(Source(kind="Subscription", name="Set for this subscription", value=value))
    return EntitlementRow(
        name=feature.feature.name,
        kind="Feature",
        value=value if feature.is_granted else "Not granted",
        note="Soft limit" if feature.has_soft_limit else "",
        sources=sources,
    )


def _feature_source(source: FeatureSource) -> Source:
    return Source(
        kind=(
            "Promotional"
            if source.is_promotional
            else _kind(source.is_addon, source.inherited_from)
        ),
        name=source.inherited_from or times(source.name, source.quantity),
        value=wording.feature_value(source.entitlement),
        note="" if source.entitlement.is_granted else "not granted",
    )


def _kind(is_addon: bool, inherited_from: str) -> str:
    if is_addon:
        return "Add-on"
    return "Base plan" if inherited_from else "Plan"


def times(name: str, quantity: int) -> str:
    """Such as "Extra API Credits × 3"; the name alone for one."""
    return f"{name} × {quantity:,}" if quantity > 1 else name


def price_lines(
    prices: Iterable[dict[str, Any]], plan_name: str, addons: Iterable[SubscriptionAddon]
) -> list[PriceLine]:
    """What each package costs, add-ons times their quantity, as kept with the subscription.

    With a total, where several are paid in the same currency and period.
    """
    attached = {row.addon.public_id: row for row in addons}
    totals: dict[tuple[str, str], Decimal] = {}
    lines = []
    for price in prices:
        row = attached.get(price["addonId"])
        if price["addonId"] is not None and row is None:
            continue
        name = plan_name if row is None else times(row.version.name, row.quantity)
        quantity = 1 if row is None else row.quantity
        lines.append(PriceLine(name, _price(price, quantity)))
        if _is_flat(price):
            terms = (price["currency"], price["billingPeriod"])
            totals[terms] = totals.get(terms, Decimal(0)) + Decimal(price["amount"]) * quantity
    if len(lines) > 1 and len(totals) == 1:
        (currency, period), total = totals.popitem()
        lines.append(PriceLine("Total", _per(total, currency, period)))
    return lines


def _is_flat(price: dict[str, Any]) -> bool:
    return price["amount"] is not None and price["featureId"] is None


def _price(price: dict[str, Any], quantity: int) -> str:
    if price["amount"] is None:
        return f"in tiers / {wording.PER[BillingPeriod(price['billingPeriod'])]}"
    amount = Decimal(price["amount"]) * quantity
    value = _per(amount, price["currency"], price["billingPeriod"])
    return value if price["featureId"] is None else f"{value} per unit of {price['featureId']}"


def _per(amount: Decimal, currency: str, period: str) -> str:
    return f"{in_digits(amount)} {currency} / {wording.PER[BillingPeriod(period)]}"


def names_of_credit_types(public_ids: Iterable[str]) -> dict[str, str]:
    """Names by public id; of those that shared an id, that of the active one."""
    types = CreditType.objects.filter(public_id__in=list(public_ids))
    by_id = types.order_by(F("archived_at").asc(nulls_last=True)).values_list("public_id", "name")
    return dict(by_id)
