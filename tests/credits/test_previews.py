"""What a subscription would give, in words (R15–R17)."""

from typing import Any

import pytest

from catalog.models import Behaviour, Cadence, Package, PricingType
from credits import previews
from credits.models import Grant, Pool
from subscriptions import provisioning
from subscriptions.previews import CreditLine, SourceLine
from tests.builders import (
    a_credit_type,
    a_customer,
    a_feature,
    a_product,
    a_published_addon,
    a_published_plan,
    some_credits,
    some_units,
)
from tests.credits.paper import JANUARY
from tests.credits.pools import a_pool, consumed

pytestmark = pytest.mark.django_db


def preview(plan: Package, *addons: tuple[Package, int], customer: Any = None) -> list[CreditLine]:
    """What a customer would be told who is about to choose this."""
    drawn = provisioning.preview(
        customer_id=(customer or a_customer(now=JANUARY)).public_id,
        plan_id=plan.public_id,
        addons=[(addon.public_id, quantity) for addon, quantity in addons],
        now=JANUARY,
    )
    return previews.credit_lines(drawn, JANUARY)


class TestCreditLines:
    def test_adds_up_what_recurs(self):
        """R15: 50,000 and 3 × 10,000."""
        product, credit_type = a_product(), a_credit_type("API Credits")
        extra = a_published_addon(
            "Extra", product=product, entitlements=[some_credits(credit_type, 10_000)]
        )
        pro = a_published_plan(
            "Pro",
            product=product,
            compatible_addons=[extra],
            entitlements=[some_credits(credit_type, 50_000)],
        )

        [line] = preview(pro, (extra, 3))

        assert line == CreditLine(
            credit_type_id=credit_type.pk,
            name="API Credits",
            value="80,000 credits / month",
            sources=(
                SourceLine(name="Pro", value="50,000 credits / month"),
                SourceLine(name="Extra × 3", value="30,000 credits / month"),
            ),
            granted="80,000 credits now, until 1 Feb 2026, 10:00 UTC",
        )
        assert not Grant.objects.exists()
        assert not Pool.objects.exists()

    def test_says_what_an_override_silences(self):
        """R16."""
        product, credit_type = a_product(), a_credit_type()
        large = a_published_addon(
            "Large",
            product=product,
            entitlements=[
                some_credits(credit_type, 6_000, Cadence.YEAR, behaviour=Behaviour.OVERRIDE)
            ],
        )
        pro = a_published_plan(
            "Pro",
            product=product,
            compatible_addons=[large],
            entitlements=[some_credits(credit_type, 100)],
        )

        [line] = preview(pro, (large, 1))

        assert line.value == "6,000 credits / year"
        assert line.note == "Large overrides: Pro gives nothing while the override lasts."
        assert [source.note for source in line.sources] == [
            "gives nothing while the override lasts",
            "",
        ]

    def test_says_why_a_source_gives_nothing(self):
        """R17, and what is switched off or left to the subscription."""
        off, per_unit, custom = (a_credit_type(name) for name in ("Off", "Per unit", "Custom"))
        seats = a_feature("Seats")
        plan = a_published_plan(
            pricing_type=PricingType.CUSTOM,
            entitlements=[
                some_credits(off, 100, is_granted=False),
                some_units(seats, 0),
                some_credits(per_unit, 100, linked_feature=seats),
                some_credits(custom, None, is_custom=True),
            ],
        )

        lines = preview(plan)

        assert {line.name: (line.value, line.sources[0].note, line.granted) for line in lines} == {
            "Off": ("none", "not granted", ""),
            "Per unit": ("none", "no units of the linked feature", ""),
            "Custom": ("none", "the amount is set per subscription", ""),
        }

    def test_counts_only_what_the_subscription_would_grant(self):
        """A pool that is there already keeps what it holds, and what it owes."""
        customer, credit_type = a_customer(now=JANUARY), a_credit_type()
        consumed(a_pool(customer, credit_type, now=JANUARY), 30, now=JANUARY)
        plan = a_published_plan(entitlements=[some_credits(credit_type, 100)])

        [line] = preview(plan, customer=customer)

        assert line.granted == "100 credits now, until 1 Feb 2026, 10:00 UTC"
