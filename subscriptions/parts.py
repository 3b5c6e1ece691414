"""The add-ons, values and prices of a subscription that is being changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from subscriptions import choices
from subscriptions.causes import Cause
from subscriptions.choices import Value
from subscriptions.models import (
    Subscription,
    SubscriptionAddon,
    SubscriptionEntitlement,
    UpdateKind,
)


class Parts:
    """The add-ons, values and prices of a locked subscription, before and after a change.

    Nothing is written until `save`.
    """

    def __init__(self, locked_subscription: Subscription) -> None:
        self.subscription = locked_subscription
        self.addons_before = list(
            SubscriptionAddon.objects.filter(subscription=locked_subscription).select_related(
                "addon", "version"
            )
        )
        self.quantities_before = {row.addon.public_id: row.quantity for row in self.addons_before}
        self.addons = self.addons_before
        self.values_before = choices.values_of(locked_subscription)
        self.values = self.values_before
        self.new_values: list[SubscriptionEntitlement] | None = None

    @property
    def quantities(self) -> dict[str, int]:
        """How many of which add-on there are now."""
        return {row.addon.public_id: row.quantity for row in self.addons}

    def choose_addons(
        self, wanted: Sequence[tuple[str, int]], packages: dict[str, Any], *, now: datetime
    ) -> None:
        """Make `wanted` the whole list of add-ons; what is new is priced as of today."""
        self.addons = choices.choose_addons(
            self.subscription.plan_version,
            wanted,
            packages=packages,
            attached=self.addons_before,
            now=now,
        )
        known = {row.addon_id for row in self.addons_before}
        new = [row for row in self.addons if row.addon_id not in known]
        kept = {None, *(row.addon.public_id for row in self.addons if row.addon_id in known)}
        self.subscription.prices = [
            price for price in self.subscription.prices if price["addonId"] in kept
        ] + choices.prices_of(None, new, self.subscription.billing_period)

    def choose_values(self, wanted: Sequence[Value]) -> None:
        """Make `wanted` the whole list of values."""
        chosen = choices.choose_values(self.subscription.plan_version, self.addons, wanted)
        self.values = list(wanted)
        self.new_values = chosen if self.values != self.values_before else None

    def keep_fitting_values(self) -> None:
        """Drop the values that the packages leave no room for any more."""
        fitting = choices.values_that_still_fit(
            self.subscription.plan_version, self.addons, self.values_before
        )
        if fitting != self.values_before:
            self.choose_values(fitting)

    def value_rows(self) -> list[SubscriptionEntitlement]:
        """The values there are now."""
        if self.new_values is not None:
            return self.new_values
        rows = SubscriptionEntitlement.objects.filter(subscription=self.subscription)
        return list(rows.select_related("feature", "credit_type"))

    def price_anew(self) -> None:
        """Take today's prices for everything."""
        self.subscription.prices = choices.prices_of(
            self.subscription.plan_version, self.addons, self.subscription.billing_period
        )

    def addon_changes(self) -> dict[str, list[int]]:
        """Which quantities differ: add-on → [before, after]; 0 is none."""
        before, after = self.quantities_before, self.quantities
        return {
            addon_id: [before.get(addon_id, 0), after.get(addon_id, 0)]
            for addon_id in before | after
            if before.get(addon_id) != after.get(addon_id)
        }

    def addon_causes(self) -> list[Cause]:
        """ADDONS if one came or went, QUANTITY if only their numbers changed."""
        changed = self.addon_changes()
        if any(0 in pair for pair in changed.values()):
            return [Cause.ADDONS]
        return [Cause.QUANTITY] if changed else []

    def kinds(self) -> list[UpdateKind]:
        """What differs beside the plan, in the words of the contract."""
        kinds = [UpdateKind.ADDON] if self.addon_changes() else []
        if self.new_values is None:
            return kinds
        before = {value.target: value for value in self.values_before}
        after = {value.target: value for value in self.values}
        targets = {target for target in before | after if before.get(target) != after.get(target)}
        named = {"feature": UpdateKind.UNIT_AMOUNT, "credit": UpdateKind.RECURRING_CREDITS}
        return kinds + [kind for name, kind in named.items() if any(name in t for t in targets)]

    def save(self, now: datetime) -> None:
        """Write the subscription with its parts."""
        self.subscription.updated_at = now
        self.subscription.save()
        kept = {row.addon_id for row in self.addons}
        for row in self.addons_before:
            if row.addon_id not in kept:
                row.delete()
        for row in self.addons:
            row.subscription = self.subscription
            row.save()
        if self.new_values is not None:
            SubscriptionEntitlement.objects.filter(subscription=self.subscription).delete()
            for value in self.new_values:
                value.subscription = self.subscription
                value.save(force_insert=True)
