"""Drafts and versions, whatever several people do to them in whatever order (R8, R9)."""

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from catalog import archiving, drafts, entitlements, packages, publishing
from catalog.models import Package, PackageVersion
from catalog.publishing import Audience
from catalog.transfer import exporting
from subscriptions import cancellation, migration, tasks
from subscriptions.models import Subscription, SubscriptionAddon
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
from workspace.actors import Actor, ActorKind
from workspace.errors import DomainError

PEOPLE = [Actor(ActorKind.USER, str(number), name) for number, name in enumerate(["Ada", "Bo"])]
ACTS = [
    "open",
    "open",
    "rename",
    "amount",
    "stale",
    "publish",
    "publish",
    "publish to all",
    "discard",
    "archive",
    "unarchive",
    "subscribe",
    "migrate",
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

    def do(self, what: str, who: Actor, package: Package, number: int) -> None:
        """One act of one person; a refusal is for the caller."""
        by: Any = {"actor": who, "now": NOW}
        on: Any = {"package_id": package.pk, **by}
        acts: dict[str, Callable[[], object]] = {
            "open": lambda: drafts.open_draft(**on),
            "rename": lambda: packages.edit(name=f"Name {number}", **on),
            "amount": lambda: entitlements.change_credits(
                credit_type=self.credit_type, amount=Decimal(number), **on
            ),
            "stale": lambda: packages.edit(revision=number + 99, name="Lost", **on),
            "publish": lambda: publishing.publish(audience=Audience.NEW_CUSTOMERS, **on),
            "publish to all": lambda: publishing.publish(audience=Audience.ALL_CUSTOMERS, **on),
            "discard": lambda: drafts.discard(**on),
            "archive": lambda: archiving.archive_package(**on),
            "unarchive": lambda: archiving.unarchive_package(**on),
            "subscribe": lambda: a_subscription(plan=self.plan, addons=[(self.addon, number)]),
            "migrate": lambda: self.migrate(by),
            "cancel": lambda: self.cancel(by),
            "work": lambda: tasks.roll_out(NOW),
        }
        acts[what]()

    def migrate(self, by: Any) -> None:
        for subscription in Subscription.objects.all():
            migration.migrate(subscription_id=subscription.public_id, **by)

    def cancel(self, by: Any) -> None:
        for subscription in Subscription.objects.all()[:1]:
            cancellation.cancel(subscription_id=subscription.public_id, time="IMMEDIATE", **by)

    def check(self) -> None:
        """What is always true, whatever was done or refused."""
        for package in Package.objects.select_related("live", "draft"):
            versions = list(package.versions.order_by("number"))
            published = [each for each in versions if each.published_at is not None]
            open_drafts = [each for each in versions if each.published_at is None]
            assert [each.number for each in published] == list(range(1, len(published) + 1))
            assert package.live == published[-1]
            assert open_drafts == ([package.draft] if package.draft else [])
            now = exporting.entries_of([each.pk for each in published])
            for pk, entry in now.items():
                assert self.published.setdefault(pk, entry) == entry
        for row in Subscription.objects.select_related("plan_version"):
            assert row.plan_version.package_id == row.plan_id
            assert row.plan_version.published_at is not None
        for attached in SubscriptionAddon.objects.select_related("version"):
            assert attached.version.package_id == attached.addon_id
            assert attached.version.published_at is not None


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

    def test_are_never_changed_past_the_verbs(self):
        """R8: the database refuses it."""
        plan = a_published_plan()

        with pytest.raises(DatabaseError), transaction.atomic():
            PackageVersion.objects.filter(pk=plan.live.pk).update(name="Other")

        assert PackageVersion.objects.get().name == "Pro"
