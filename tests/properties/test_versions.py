"""Drafts and versions, whatever several people do to them in whatever order (R8, R9)."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from catalog import archiving, drafts, entitlements, packages, prices, publishing
from catalog.models import Package, PackageVersion
from catalog.publishing import Audience
from catalog.transfer import exporting
from subscriptions import cancellation, migration, tasks, terms
from subscriptions.models import ScheduledUpdate, Subscription
from subscriptions.terms import Terms
from tests.builders import (
    NOW,
    a_credit_type,
    a_product,
    a_published_addon,
    a_published_plan,
    a_subscription,
    some_credits,
)
from tests.properties.test_catalog_files import an_empty_workspace
from workspace import triggers
from workspace.actors import SYSTEM, Actor, ActorKind
from workspace.errors import DomainError

PEOPLE = [Actor(ActorKind.USER, str(number), name) for number, name in enumerate(["Ada", "Bo"])]
ACTS = [
    "open",
    "open",
    "rename",
    "amount",
    "price",
    "stale",
    "publish",
    "publish",
    "publish to all",
    "discard",
    "archive",
    "unarchive",
    "subscribe",
    "migrate",
    "migrate later",
    "period turns",
    "cancel",
    "work",
]
STEPS = st.lists(
    st.tuples(st.sampled_from(ACTS), st.sampled_from(PEOPLE), st.booleans(), st.integers(1, 9)),
    min_size=3,
    max_size=20,
)


class Market:
    """A plan and an add-on, and people who do whatever comes to their mind."""

    def __init__(self) -> None:
        product, self.credit_type = a_product(multiple_subscriptions=False), a_credit_type()
        self.addon = a_published_addon(
            product=product, entitlements=[some_credits(self.credit_type, 10)]
        )
        self.plan = a_published_plan(
            product=product,
            entitlements=[some_credits(self.credit_type, 100)],
            compatible_addons=[self.addon],
        )
        self.published: dict[int, Any] = {}
        self.now = NOW

    def do(self, what: str, who: Actor, package: Package, number: int) -> None:
        """One act of one person; a refusal is for the caller."""
        by: Any = {"actor": who, "now": self.now}
        on: Any = {"package_id": package.pk, **by}
        acts: dict[str, Callable[[], object]] = {
            "open": lambda: drafts.open_draft(**on),
            "rename": lambda: packages.edit(name=f"Name {number}", **on),
            "amount": lambda: entitlements.change_credits(
                credit_type=self.credit_type, amount=Decimal(number), **on
            ),
            "price": lambda: prices.set_base_prices(monthly=Decimal(number), yearly=None, **on),
            "stale": lambda: packages.edit(revision=number + 99, name="Lost", **on),
            "publish": lambda: publishing.publish(audience=Audience.NEW_CUSTOMERS, **on),
            "publish to all": lambda: publishing.publish(audience=Audience.ALL_CUSTOMERS, **on),
            "discard": lambda: drafts.discard(**on),
            "archive": lambda: archiving.archive_package(**on),
            "unarchive": lambda: archiving.unarchive_package(**on),
            "subscribe": lambda: a_subscription(
                plan=self.plan, addons=[(self.addon, number)], now=self.now
            ),
            "migrate": lambda: self.migrate(at_period_end=False, **by),
            "migrate later": lambda: self.migrate(at_period_end=True, **by),
            "period turns": self.turn,
            "cancel": lambda: self.cancel(by),
            "work": lambda: tasks.roll_out(self.now),
        }
        acts[what]()

    def migrate(self, **how: Any) -> None:
        for subscription in Subscription.objects.not_ended(self.now):
            migration.migrate(subscription_id=subscription.public_id, **how)

    def turn(self) -> None:
        self.now += timedelta(days=31)
        tasks.write_down_updates(self.now)

    def cancel(self, by: Any) -> None:
        for subscription in Subscription.objects.all()[:1]:
            cancellation.cancel(subscription_id=subscription.public_id, time="IMMEDIATE", **by)

    def check(self) -> None:
        """What is always true, whatever was done or refused."""
        for package in Package.objects.select_related("live", "draft"):
            versions = list(package.versions.order_by("number"))
            published = [each for each in versions if each.published_at is not None]
            open_drafts = [each for each in versions if each.published_at is None]
            numbers = [each.number for each in published]
            assert numbers == list(range(1, len(published) + 1)), "numbers have no gaps"
            assert package.live == published[-1], "the last one is live"
            known = [package.draft] if package.draft else []
            assert open_drafts == known, "there is at most one draft"
            now = exporting.entries_of([each.pk for each in published])
            for pk, entry in now.items():
                assert self.published.setdefault(pk, entry) == entry, "published never changes"
        for subscription in Subscription.objects.all():
            self.check_terms(terms.at(subscription, self.now))
            upcoming = terms.upcoming(subscription, self.now)
            if upcoming is not None:
                self.check_terms(upcoming.terms)

    def check_terms(self, agreed: Terms) -> None:
        """Nobody stands, or will stand, on anything but a published version of theirs."""
        assert agreed.plan_version.package_id == self.plan.pk
        for addon in agreed.addons:
            assert addon.version.package_id == self.addon.pk
        versions = [agreed.plan_version, *(addon.version for addon in agreed.addons)]
        assert all(each.published_at for each in versions), "nobody stands on a draft"


class Offender(Market):
    """Somebody at the database, where verbs and triggers have no say."""

    @property
    def draft(self) -> PackageVersion:
        return PackageVersion.objects.get(package=self.plan, published_at=None)

    def publish_as(self, number: int) -> None:
        draft = self.draft
        Package.objects.filter(pk=self.plan.pk).update(draft=None, live=draft)
        PackageVersion.objects.filter(pk=draft.pk).update(number=number, published_at=NOW)

    def forget_draft(self) -> None:
        Package.objects.filter(pk=self.plan.pk).update(draft=None)

    def rewrite(self, **fields: Any) -> None:
        PackageVersion.objects.filter(package=self.plan, number=1).update(**fields)

    def stand_on_draft(self) -> None:
        Subscription.objects.update(plan_version=self.draft)

    def stand_on_draft_later(self) -> None:
        draft = self.draft
        self.do("amount", PEOPLE[0], self.plan, 5)
        publishing.publish(
            package_id=self.plan.pk, audience=Audience.NEW_CUSTOMERS, actor=SYSTEM, now=NOW
        )
        self.do("migrate later", PEOPLE[0], self.plan, 1)
        self.do("open", PEOPLE[0], self.plan, 1)
        assert ScheduledUpdate.objects.update(plan_version=self.draft) == 1
        assert draft.pk != self.draft.pk


@pytest.mark.django_db
class TestVersions:
    @given(STEPS)
    @settings(max_examples=15, phases=(Phase.explicit, Phase.reuse, Phase.generate))
    def test_stay_in_order_whatever_people_do(self, steps: list[Any]):
        """R8: one draft, numbers without gaps, nothing published changes, nobody on a draft."""
        with an_empty_workspace():
            market = Market()
            market.check()
            for what, who, is_plan, number in steps:
                with suppress(DomainError):
                    market.do(what, who, market.plan if is_plan else market.addon, number)
                market.check()

    @pytest.mark.parametrize(
        ("law", "offend"),
        [
            ("numbers have no gaps", lambda market: market.publish_as(number=7)),
            ("there is at most one draft", lambda market: market.forget_draft()),
            ("published never changes", lambda market: market.rewrite(name="Other")),
            ("nobody stands on a draft", lambda market: market.stand_on_draft()),
            ("nobody stands on a draft", lambda market: market.stand_on_draft_later()),
        ],
    )
    def test_are_seen_to_break_a_law(self, law, offend):
        """Controls: past the verbs, and past the triggers, each law can be broken."""
        market = Offender()
        market.do("subscribe", PEOPLE[0], market.plan, 1)
        market.do("open", PEOPLE[0], market.plan, 1)
        market.check()

        with triggers.lifted(connection):
            offend(market)

            with pytest.raises(AssertionError, match=law):
                market.check()

    def test_are_never_changed_past_the_verbs(self):
        """R8: the database refuses it."""
        plan = a_published_plan()

        with pytest.raises(DatabaseError), transaction.atomic():
            PackageVersion.objects.filter(pk=plan.live.pk).update(name="Other")

        assert PackageVersion.objects.get().name == "Pro"
