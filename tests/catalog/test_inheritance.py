import pytest

from catalog import inheritance
from catalog.models import Package
from tests.builders import (
    a_credit_type,
    a_feature,
    a_metered_feature,
    a_new_version,
    a_plan,
    a_published_plan,
    a_rate,
    some_credits,
    some_units,
)

pytestmark = pytest.mark.django_db


def amounts(version) -> list:
    return [
        (row.credit_type.name, row.amount)
        for row in inheritance.effective_credit_entitlements(version)
    ]


@pytest.fixture
def family() -> tuple[Package, Package, Package]:
    """Free gives 500 AI and 5 seats; Pro adds 50,000 API; Team gives 9,000 AI of its own."""
    ai, api, seats, image = (
        a_credit_type("AI"),
        a_credit_type("API"),
        a_feature(),
        a_metered_feature(),
    )
    free = a_published_plan(
        "Free",
        pricing_type="FREE",
        entitlements=[some_credits(ai, 500), some_units(seats, 5)],
        mappings=[a_rate(image, ai, 10)],
    )
    pro = a_published_plan(
        "Pro", product=free.product, base_plan=free, entitlements=[some_credits(api, 50_000)]
    )
    team = a_published_plan(
        "Team",
        product=free.product,
        base_plan=pro,
        entitlements=[some_credits(ai, 9000), some_units(seats, 50)],
        mappings=[a_rate(image, ai, 8)],
    )
    return free, pro, team


class TestEffectiveCreditEntitlements:
    def test_has_everything_of_the_base_plan(self, family):
        """R5."""
        _, pro, _ = family

        assert amounts(pro.live) == [("AI", 500), ("API", 50_000)]

    def test_lets_its_own_replace_the_inherited_one(self, family):
        """R5."""
        _, _, team = family

        assert amounts(team.live) == [("API", 50_000), ("AI", 9000)]

    def test_says_where_each_comes_from(self, family):
        free, pro, _ = family
        inherited, own = inheritance.effective_credit_entitlements(pro.live)

        assert (inherited.version, own.version) == (free.live, pro.live)

    def test_stays_with_the_version_the_base_plan_had(self, family):
        free, pro, _ = family

        a_new_version(free)

        assert amounts(pro.live) == [("AI", 500), ("API", 50_000)]

    def test_follows_the_live_version_of_the_base_plan_in_a_draft(self, family):
        free, _, _ = family
        draft = a_plan("Max", product=free.product, base_plan=free).draft

        a_new_version(free, entitlements=[some_credits(a_credit_type("Other"), 7)])

        assert amounts(draft) == [("Other", 7)]

    def test_is_empty_under_a_base_plan_that_is_a_draft(self):
        base = a_plan("Base", entitlements=[some_credits(a_credit_type())])
        draft = a_plan("Child", product=base.product, base_plan=base).draft

        assert amounts(draft) == []

    def test_takes_two_queries_however_long_the_chain(self, family, django_assert_num_queries):
        _, _, team = family

        with django_assert_num_queries(2):
            amounts(team.live)


class TestEffectiveFeatureEntitlements:
    def test_replaces_by_feature(self, family):
        """R5."""
        _, pro, team = family
        limits = [
            [row.usage_limit for row in inheritance.effective_feature_entitlements(plan.live)]
            for plan in (pro, team)
        ]

        assert limits == [[5], [50]]


class TestEffectiveMappings:
    def test_replaces_by_feature_and_credit_type(self, family):
        """R33: one mapping per feature and credit type."""
        _, pro, team = family
        rates = [
            [row.rate for row in inheritance.effective_mappings(plan.live)] for plan in (pro, team)
        ]

        assert rates == [[10], [8]]


class TestBulk:
    def test_agrees_with_one_at_a_time_in_two_queries(self, family, django_assert_num_queries):
        versions = [package.live for package in family]
        one_by_one = {
            version.pk: inheritance.effective_credit_entitlements(version) for version in versions
        }

        with django_assert_num_queries(2):
            found = inheritance.credit_entitlements_of(version.pk for version in versions)

        assert found == one_by_one

    def test_asks_nothing_about_nothing(self):
        assert inheritance.mappings_of([]) == {}
        assert inheritance.feature_entitlements_of([]) == {}
