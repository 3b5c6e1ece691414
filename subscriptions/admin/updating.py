"""Update a subscription: plan, add-ons, values, and when; with what it does to balances."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import forms

from catalog.models import BillingPeriod, Package, PackageVersion
from catalog.prices import base_prices
from catalog.wording import units_of
from subscriptions import choices, previews, updates
from subscriptions.admin import words
from subscriptions.admin.parts import PartsForm
from subscriptions.admin.subscribing import RESHAPES, BalanceLine, LiveDialogPage, Summary
from subscriptions.causes import Cause
from subscriptions.models import Subscription, SubscriptionAddon, UpdateKind
from subscriptions.previews import CreditChange, Preview
from subscriptions.updates import Changes, When
from workspace.actors import Actor
from workspace.templatetags.stipend import credits as in_digits
from workspace.templatetags.stipend import instant, signed

AFRESH = (
    "Credits start afresh at this change: what is left of the old plan is voided, and the new "
    "plan grants in full what it did not grant in this period yet."
)
CARRIED = (
    "Use is carried over at this change: the new plan grants in full, less what was used of the "
    "old one in this period."
)


class UpdateForm(PartsForm):
    """What the subscription that is the form's subject is to become, and when."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        subscription: Subscription = self.subject
        attached = SubscriptionAddon.objects.filter(subscription=subscription)
        self.held = list(attached.select_related("addon", "version"))
        self.kept = choices.values_of(subscription)
        self.plans = self._grow_plan(subscription)
        self.plan = self.plans.get(str(self.raw("plan") or ""), subscription.plan)
        self.version = self._version(subscription)
        period = self._grow_period(subscription)
        quantities = {row.addon.public_id: row.quantity for row in self.held}
        self.grow_addons(self.version, period, quantities)
        self.grow_values(self.version, {value.target: value for value in self.kept})
        self._grow_when(subscription)

    @property
    def moves(self) -> bool:
        """Whether it is put on another plan."""
        return bool(self.plan.pk != self.subject.plan_id)

    def changes(self) -> Changes:
        """What `updates.update` is to be given; the form is valid."""
        subscription: Subscription = self.subject
        changes: Changes = {"addons": self.addons(), "entitlements": self._all_values()}
        period = self.cleaned_data.get("billing_period") or subscription.billing_period
        if self.moves:
            changes["plan_id"] = self.plan.public_id
        if self.moves or period != subscription.billing_period:
            changes["billing_period"] = period
        return changes

    def when(self) -> str | None:
        """When it is to take effect; None for as usual."""
        return self.cleaned_data.get("when") or None

    @property
    def plan_inputs(self) -> list[forms.BoundField]:
        """What it is put on."""
        return [self[name] for name in ("plan", "billing_period") if name in self.fields]

    def _grow_plan(self, subscription: Subscription) -> dict[str, Package]:
        on_sale = Package.objects.plans().on_sale().filter(product=subscription.product_id)
        plans = {str(plan.pk): plan for plan in on_sale.select_related("live")}
        others = [(key, str(plan)) for key, plan in plans.items() if plan != subscription.plan]
        own = (str(subscription.plan_id), f"{subscription.plan_version.name} (as now)")
        self.grow(
            "plan",
            forms.ChoiceField(
                label="Plan",
                choices=[own, *others],
                initial=own[0],
                required=False,
                widget=forms.Select(attrs=RESHAPES),
            ),
        )
        return plans

    def _version(self, subscription: Subscription) -> PackageVersion:
        if not self.moves:
            return subscription.plan_version
        assert self.plan.live is not None, "what is on sale has a live version"
        return self.plan.live

    def _grow_period(self, subscription: Subscription) -> str:
        priced = base_prices(list(self.version.charges.all()))
        offered = [period for period in BillingPeriod if not priced or period in priced]
        now = subscription.billing_period or BillingPeriod.MONTHLY
        if not self.moves and now not in offered:
            offered.append(BillingPeriod(now))
        first = now if now in offered else offered[0]
        self.grow(
            "billing_period",
            forms.ChoiceField(
                label="Billing period",
                choices=[(period.value, period.label) for period in offered],
                initial=first,
                required=False,
                widget=forms.Select(attrs=RESHAPES),
            ),
        )
        return str(self.raw("billing_period") or first)

    def _grow_when(self, subscription: Subscription) -> None:
        usual = subscription.product.get_downgrade_time_display().lower()
        yearly = subscription.billing_period == BillingPeriod.ANNUALLY
        self.grow(
            "when",
            forms.ChoiceField(
                label="When",
                choices=[
                    ("", f"At once; a downgrade {usual}"),
                    (When.IMMEDIATE.value, "At once"),
                    *(
                        [(When.END_OF_BILLING_MONTH.value, "At the end of the billing month")]
                        * yearly
                    ),
                    (When.END_OF_BILLING_PERIOD.value, "At the end of the billing period"),
                ],
                required=False,
                widget=forms.Select(attrs=RESHAPES),
            ),
        )

    def _all_values(self) -> list[choices.Value]:
        """What was entered, and what this form does not ask for but the plan has room for."""
        asked = {("feature", feature_id) for feature_id in self.unit_fields.values()} | {
            ("credit", credit_type_id) for credit_type_id in self.credit_fields.values()
        }
        others = [value for value in self.kept if value.target not in asked]
        if self.moves:
            others = choices.values_that_still_fit(self.version, [], others)
        return others + self.values()


class UpdatePage(LiveDialogPage):
    """Subscription → Update: plan, add-ons and quantities, at once or later (R27–R31)."""

    name = "update"
    permission = "subscriptions.change_subscription"
    template_name = "admin/subscriptions/subscription/update.html"
    form_class = UpdateForm
    confirm_label = "Update subscription"
    object: Subscription

    @property
    def title(self) -> str:
        """The heading."""
        return f"Update {self.object.plan_version.name}"

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Change it, or let it be changed later."""
        updated = updates.update(
            subscription_id=self.object.public_id,
            when=form.when(),
            **form.changes(),
            actor=actor,
            now=now,
        )
        if updated.next_update_at is not None:
            return f"The subscription will be updated on {instant(updated.next_update_at)}."
        return "The subscription is updated."

    def summary_of(self, form: Any) -> Summary:
        """What the subscription would include, and what becomes of balances."""
        preview = updates.preview(
            subscription_id=self.object.public_id,
            when=form.when(),
            now=self.now,
            **form.changes(),
        )
        return Summary(
            facts=[
                *_facts(self.object, preview, self.now),
                *_quantities(form.held, preview.addons),
            ],
            prices=words.price_lines(
                preview.subscription.prices,
                preview.subscription.plan_version.name,
                preview.addons,
            ),
            credits=previews.credit_lines(preview, now=self.now),
            rule=_rule(preview),
            balances=balance_lines(previews.credit_changes(preview, now=self.now), self.now),
        )


def balance_lines(changes: Sequence[CreditChange], now: datetime) -> list[BalanceLine]:
    """Per credit type the balance before and after, and what comes next, in words."""
    return [
        BalanceLine(
            name=change.credit_type.name,
            before=in_digits(change.balance_before),
            after=in_digits(change.balance_after),
            next_reset=f"{_at_once(change, now)}; {_next_reset(change)}",
        )
        for change in changes
    ]


def _at_once(change: CreditChange, now: datetime) -> str:
    """Such as "+20,000 now", or "nothing then" for a change that comes later."""
    difference = change.balance_after - change.balance_before
    when = "now" if change.takes_effect_at <= now else "then"
    return f"{signed(difference) if difference else 'nothing'} {when}"


def _next_reset(change: CreditChange) -> str:
    """Such as "100,000 credits from 1 Oct 2026, 10:00 UTC"."""
    if change.next_reset_at is None:
        return "nothing recurs afterwards"
    amount = change.granted_at_reset
    unit = units_of(change.credit_type, amount)
    return f"{in_digits(amount)} {unit} from {instant(change.next_reset_at)}"


def _facts(subscription: Subscription, preview: Preview, now: datetime) -> list[tuple[str, str]]:
    at = preview.planned.takes_effect_at
    facts = [("Takes effect", "now" if at is None or at <= now else instant(at))]
    if preview.planned.kinds:
        labels = [UpdateKind(kind).label for kind in preview.planned.kinds]
        facts.append(("Changes", ", ".join(labels)))
    else:
        facts.append(("Changes", "nothing"))
    if subscription.next_update_at is not None:
        facts.append(("Replaces", f"the update of {instant(subscription.next_update_at)}"))
    return facts


def _quantities(
    held: Sequence[SubscriptionAddon], kept: Sequence[SubscriptionAddon]
) -> list[tuple[str, str]]:
    """The add-ons of which there will be more, fewer or none: ("Extra API Credits", "3 → 5")."""
    names = {row.addon_id: row.version.name for row in (*held, *kept)}
    before = {row.addon_id: row.quantity for row in held}
    after = {row.addon_id: row.quantity for row in kept}
    return [
        (name, f"{before.get(addon_id, 0):,} → {after.get(addon_id, 0):,}")
        for addon_id, name in names.items()
        if before.get(addon_id, 0) != after.get(addon_id, 0)
    ]


def _rule(preview: Preview) -> str:
    """What a change of plan does with credits, by the product's setting (R31)."""
    if preview.planned.cause != Cause.PLAN_CHANGE:
        return ""
    return AFRESH if preview.planned.resets else CARRIED
