"""How much recurs: the effective amount of each source (R15–R17)."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from catalog.models import Cadence
from credits import recurring
from credits.recurring import Allowance
from tests.credits.paper import JANUARY
from tests.credits.sources import a_plan_source, an_increment, an_override


class TestEffectiveAmount:
    @pytest.mark.parametrize(
        ("sources", "effective"),
        [
            ([a_plan_source(50_000), an_increment(10_000, 3)], 80_000),
            ([a_plan_source(100), an_increment(50, 4), an_increment(25, 2)], 350),
            ([a_plan_source(100), an_override(500, 1)], 500),
            ([a_plan_source(100), an_override(500, 2)], 1000),
            (
                [a_plan_source(100), an_override(500), an_override(300, 2), an_increment(50, 4)],
                600,
            ),
            ([an_increment(50, 2)], 100),
            ([an_override(500, 1)], 500),
            ([a_plan_source(1000, linked=True, units=Decimal(5))], 5000),
        ],
    )
    def test_is_what_the_table_says(self, sources, effective):
        """R17, first to eighth example: the table, row by row."""
        assert recurring.effective_amount(recurring.in_force(sources), Cadence.MONTH) == effective

    def test_counts_each_cadence_by_itself(self):
        """R15: each source grants on its own cadence."""
        sources = [a_plan_source(100), an_increment(60, 2, cadence=Cadence.YEAR)]

        assert recurring.effective_amount(recurring.in_force(sources), Cadence.MONTH) == 100
        assert recurring.effective_amount(recurring.in_force(sources), Cadence.YEAR) == 120

    def test_leaves_out_what_is_switched_off(self):
        sources = [a_plan_source(100), an_increment(50, is_granted=False)]

        assert recurring.effective_amount(recurring.in_force(sources), Cadence.MONTH) == 100

    def test_is_nothing_without_sources(self):
        nothing = recurring.effective_amount([], Cadence.MONTH)

        assert nothing == 0
        assert isinstance(nothing, Decimal)


class TestInForce:
    def test_lets_every_source_grant_without_overrides(self):
        plan, addon = a_plan_source(100), an_increment(50, 4)

        assert recurring.in_force([plan, addon]) == [
            Allowance(plan, Decimal(100)),
            Allowance(addon, Decimal(200)),
        ]

    def test_lets_only_the_largest_override_grant(self):
        """R16: amount × quantity decides."""
        single, double = an_override(500, source_id=3), an_override(300, 2, source_id=4)

        granting = recurring.in_force([a_plan_source(10_000), single, double, an_increment(50)])

        assert granting == [Allowance(double, Decimal(600))]

    def test_counts_months_twelvefold_beside_years(self):
        """R16."""
        monthly = an_override(100, source_id=3)
        yearly = an_override("1199.999999", source_id=4, cadence=Cadence.YEAR)
        more = replace(yearly, amount=Decimal("1200.000001"))

        assert recurring.in_force([yearly, monthly]) == [Allowance(monthly, Decimal(100))]
        assert recurring.in_force([monthly, more]) == [Allowance(more, Decimal("1200.000001"))]

    def test_takes_the_one_attached_first_of_equals(self):
        """R16: the order of the list does not matter, the date does."""
        later = an_override(500, source_id=3, attached_at=JANUARY + timedelta(seconds=1))
        earlier = an_override(250, 2, source_id=4)

        assert recurring.in_force([later, earlier]) == [Allowance(earlier, Decimal(500))]

    def test_takes_what_came_with_the_subscription_first_of_equals(self):
        """R16: what was never attached has been there from the start."""
        attached = an_override(500, source_id=3)
        original = an_override(500, source_id=4, attached_at=None)

        assert recurring.in_force([attached, original]) == [Allowance(original, Decimal(500))]

    def test_takes_the_one_attached_first_of_equals_per_year(self):
        yearly = an_override(1200, source_id=3, cadence=Cadence.YEAR)
        monthly = an_override(100, source_id=4, attached_at=JANUARY + timedelta(days=1))

        assert recurring.in_force([monthly, yearly]) == [Allowance(yearly, Decimal(1200))]

    def test_lets_an_override_without_units_win_alone(self):
        """R17: no units, no grant; but the override is still what counts."""
        override = an_override(500, linked=True, units=None)

        assert recurring.in_force([a_plan_source(100), override]) == [
            Allowance(override, Decimal())
        ]


class TestAmountOf:
    def test_multiplies_with_the_units_bought(self):
        """R17."""
        assert recurring.amount_of(a_plan_source(1000, linked=True, units=Decimal(5))) == 5000

    @pytest.mark.parametrize("units", [None, Decimal(0)])
    def test_is_nothing_for_unlimited_missing_or_zero_units(self, units):
        """R17."""
        assert recurring.amount_of(a_plan_source(1000, linked=True, units=units)) == 0

    def test_does_not_multiply_the_units_of_an_addon_again(self):
        """R17: the units an add-on brings include its quantity."""
        addon = an_increment(1000, 3, linked=True, units=Decimal(15))

        assert recurring.amount_of(addon) == 15_000

    def test_is_nothing_where_no_custom_amount_is_set(self):
        assert recurring.amount_of(a_plan_source(None)) == 0

    def test_is_exact_to_the_millionth(self):
        assert recurring.amount_of(an_increment("0.000001", 3)) == Decimal("0.000003")


class TestSuspended:
    def test_are_those_an_override_silences(self):
        """R16."""
        plan, increment = a_plan_source(100), an_increment(50)
        winner, loser = an_override(500, source_id=3), an_override(400, source_id=4)

        silenced = recurring.suspended([plan, increment, winner, loser])

        assert silenced == [plan, increment, loser]

    def test_are_none_without_an_override(self):
        assert recurring.suspended([a_plan_source(100), an_increment(50)]) == []
