"""What a bulk change does to a subscription of one customer: add-ons, and the latest versions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from catalog.amounts import ZERO
from catalog.models import CreditType
from credits import pools
from credits.bulk_deeds import Deed, NothingFits, Plan, Result, balance_line, grouped
from credits.models import BulkKind, BulkRow, Pool
from subscriptions import finding, impacts, migration, previews, updates
from subscriptions.impacts import Effect
from subscriptions.migration import Move
from subscriptions.models import Subscription, SubscriptionAddon
from workspace.actors import Actor
from workspace.errors import DomainError
from workspace.json import plain
from workspace.templatetags.stipend import instant


@dataclass(frozen=True, kw_only=True)
class OfSubscriptions(Deed):
    """Something done to subscriptions that have not ended; `plan_id` narrows it to a plan."""

    aims_at = "subscription"

    plan_id: str = ""

    def targets(self, customer_ids: Sequence[int], now: datetime) -> Mapping[int, list[Any]]:
        found = Subscription.objects.not_ended(now).filter(customer__in=customer_ids)
        if self.plan_id:
            found = found.filter(plan__public_id=self.plan_id)
        return grouped((each.customer_id, each) for each in found.order_by("pk"))


class AddonMode(StrEnum):
    """What becomes of an add-on."""

    ADD = "ADD"
    SET = "SET"
    REMOVE = "REMOVE"


@dataclass(frozen=True, kw_only=True)
class ChangingAddon(OfSubscriptions):
    """Add an add-on, change how many there are of it, or remove it, at once (R27–R32)."""

    kind = BulkKind.ADDON
    irreversible_because = (
        "What an add-on gave or took stays so. Change the add-on back by another bulk change."
    )

    addon_id: str
    addon_name: str
    mode: str
    quantity: int = 0

    def plans(self, rows: Sequence[BulkRow], now: datetime) -> list[Plan]:
        plans: list[Plan] = []
        for row in rows:
            try:
                plans.append(self._plan(_subscription(row), now))
            except DomainError as refusal:
                plans.append(refusal)
        return plans

    def _plan(self, subscription: Subscription, now: datetime) -> Result:
        what, wanted = self._wanted(subscription)
        preview = updates.preview(subscription_id=subscription.public_id, addons=wanted, now=now)
        changes = previews.credit_changes(preview, now=now)
        moved = [
            balance_line(each.credit_type, each.balance_before, each.balance_after)
            for each in changes
            if each.takes_effect_at <= now and each.balance_before != each.balance_after
        ]
        return Result(what, moved)

    def do(self, row: BulkRow, reason: str, *, actor: Actor, now: datetime) -> Result:
        public_id = _subscription(row).public_id
        finding.lock_customer_of(public_id, now)
        subscription = finding.find(public_id)
        before = _balances(subscription, now)
        what, wanted = self._wanted(subscription)
        updates.update(subscription_id=public_id, addons=wanted, actor=actor, now=now)
        after = _balances(subscription, now)
        return Result(
            what,
            [
                balance_line(credit_type, before.get(credit_type, ZERO), balance)
                for credit_type, balance in after.items()
                if before.get(credit_type, ZERO) != balance
            ],
        )

    def _wanted(self, subscription: Subscription) -> tuple[str, list[tuple[str, int]]]:
        """In words, and the whole list of add-ons as it shall be."""
        attached = SubscriptionAddon.objects.filter(subscription=subscription)
        quantities = dict(attached.order_by("pk").values_list("addon__public_id", "quantity"))
        has = quantities.get(self.addon_id, 0)
        wants = 0 if self.mode == AddonMode.REMOVE else self.quantity
        if self.mode == AddonMode.ADD and has:
            raise NothingFits(f"It has {has} of it already.")
        if self.mode != AddonMode.ADD and not has:
            raise NothingFits("It has none of it.")
        if has == wants:
            raise NothingFits(f"It has {has} of it already.")
        quantities[self.addon_id] = wants
        scheduled = subscription.next_update_at
        note = f"; replaces the update of {instant(scheduled)}" if scheduled else ""
        wanted = [(addon_id, number) for addon_id, number in quantities.items() if number]
        return f"{self.addon_name}: {has} → {wants}{note}", wanted


@dataclass(frozen=True, kw_only=True)
class Migrating(OfSubscriptions):
    """Move subscriptions to the latest versions and prices, now or later (R10, R13, R14).

    With `at_period_end` each waits for the end of its billing period; no balance moves now.
    """

    kind = BulkKind.MIGRATE
    irreversible_because = "A subscription does not go back to an earlier version."

    at_period_end: bool = False

    @property
    def goes_together(self) -> bool:
        return not self.at_period_end

    def plans(self, rows: Sequence[BulkRow], now: datetime) -> list[Plan]:
        return self._plans([_subscription(row) for row in rows], now)

    def _plans(self, subscriptions: Sequence[Subscription], now: datetime) -> list[Plan]:
        moves = migration.moves(subscriptions, at_period_end=self.at_period_end, now=now)
        effects = {} if self.at_period_end else impacts.of_migration(subscriptions, now)
        return [
            move
            if isinstance(move, DomainError)
            else Result(_migrating(move), _moved(effects.get(each.pk, [])))
            for each, move in zip(subscriptions, moves, strict=True)
        ]

    def do(self, row: BulkRow, reason: str, *, actor: Actor, now: datetime) -> Result:
        public_id = _subscription(row).public_id
        finding.lock_customer_of(public_id, now)
        [plan] = self._plans([finding.find(public_id)], now)
        if isinstance(plan, DomainError):
            raise plan
        migration.migrate(
            subscription_id=public_id, at_period_end=self.at_period_end, actor=actor, now=now
        )
        return plan

    def do_several(
        self, rows: Sequence[BulkRow], *, actor: Actor, now: datetime
    ) -> Mapping[int, Result]:
        # Of one customer the first alone: what it gives is what the next one finds.
        firsts = {row.customer_id: row for row in reversed(rows)}.values()
        rows_of = {_subscription(row).pk: row for row in firsts}
        locked = migration.lock_free(list(rows_of), now)
        planned = {
            each: plan
            for each, plan in zip(locked, self._plans(locked, now), strict=True)
            if isinstance(plan, Result)
        }
        migration.migrate_locked(list(planned), actor=actor, now=now)
        return {rows_of[each.pk].pk: plan for each, plan in planned.items()}


def _subscription(row: BulkRow) -> Subscription:
    assert row.subscription is not None, "the row points at one"
    return row.subscription


def _migrating(move: Move) -> str:
    old, new, at = move.before, move.after, move.takes_effect_at
    then = f" on {instant(at)}" if at is not None else ""
    if old.number == new.number:
        return f"{old.name} v{old.number}: add-ons and prices of today{then}"
    return f"{old.name} v{old.number} → v{new.number}{then}"


def _moved(effects: Iterable[Effect]) -> list[dict[str, str]]:
    return [
        {
            "credit_type": each.credit_type,
            "name": each.name,
            "before": plain(each.balance_before),
            "after": plain(each.balance_after),
        }
        for each in effects
        if each.balance_before != each.balance_after
    ]


def _balances(subscription: Subscription, now: datetime) -> dict[CreditType, Decimal]:
    """What the pools of a subscription's customer, or resource, hold; by name of the type."""
    rows = list(
        Pool.objects.filter(customer=subscription.customer_id, resource=subscription.resource_id)
        .select_related("credit_type")
        .order_by("credit_type__name", "credit_type")
    )
    standings = pools.standings(rows, now)
    return {row.credit_type: standings[row.pk].balance for row in rows}
