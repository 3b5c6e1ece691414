from datetime import UTC, datetime

import pytest

from catalog.models import FeatureType
from subscriptions import promotions
from subscriptions.models import Customer, PromotionalEntitlement
from subscriptions.promotions import Gift
from tests.builders import NOW, a_customer, a_feature, a_published_plan, a_subscription, some_units
from tests.workspace.admin.conftest import words
from workspace.actors import SYSTEM

CUSTOMERS = "/admin/subscriptions/customer/"
PROMOTIONS = "/admin/subscriptions/promotionalentitlement/"


def page_of(customer: Customer, name: str = "change") -> str:
    return f"{CUSTOMERS}{customer.pk}/{name}/"


def given(customer: Customer, *, feature_id: str, limit: int | None = 5, period: str = "lifetime"):
    [promotion] = promotions.give(
        customer_id=customer.public_id,
        gifts=[Gift(feature_id=feature_id, period=period, usage_limit=limit)],
        actor=SYSTEM,
        now=NOW,
    )
    return promotion


class TestGive:
    def test_gives_a_number_of_units(self, support):
        customer = a_customer("Acme")
        seats = a_feature("Seats")

        answer = support.press(
            page_of(customer, "give"), feature=seats.pk, usage_limit="7", period="1 month"
        )

        assert words(answer) == ["Acme has Seats now."]
        promotion = PromotionalEntitlement.objects.get()
        assert (promotion.customer, promotion.usage_limit) == (customer, 7)
        assert "Seats" in answer.content.decode()

    def test_leaves_out_what_the_feature_cannot_have(self, support):
        sso = a_feature("SSO", type=FeatureType.BOOLEAN)
        end = "2100-01-01T10:00"

        support.press(
            page_of(a_customer(), "give"),
            feature=sso.pk,
            usage_limit="7",
            reset_period="DAY",
            period="custom",
            custom_end_date=end,
        )

        promotion = PromotionalEntitlement.objects.get()
        assert (promotion.usage_limit, promotion.reset_period) == (None, "")
        assert promotion.ends_at == datetime(2100, 1, 1, 10, tzinfo=UTC)

    def test_gives_values_of_a_list(self, support):
        tiers = [{"value": "gold", "displayName": "Gold support"}, {"value": "silver"}]
        support_tier = a_feature("Support", type=FeatureType.ENUM, enum_values=tiers)
        page = page_of(a_customer(), "give")

        assert "Gold support" in support.get(page).content.decode()
        support.press(
            page,
            feature=support_tier.pk,
            period="lifetime",
            **{f"values_{support_tier.pk}": ["gold"]},
        )

        assert PromotionalEntitlement.objects.get().enum_values == ["gold"]

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"usage_limit": ""}, "usage_limit"),
            ({"usage_limit": "-1"}, "usage_limit"),
            ({"usage_limit": "1e5"}, "usage_limit"),
            ({"usage_limit": "5", "has_unlimited_usage": "on"}, "usage_limit"),
            ({"usage_limit": "5", "period": "custom"}, "custom_end_date"),
            (
                {"usage_limit": "5", "period": "custom", "custom_end_date": "2020-01-01T00:00"},
                "custom_end_date",
            ),
            ({"usage_limit": "5", "period": "forever"}, "period"),
            ({"usage_limit": "5", "feature": "0"}, "feature"),
        ],
    )
    def test_says_what_is_wrong_beside_the_field(self, support, fields, field):
        seats = a_feature()

        answer = support.press(
            page_of(a_customer(), "give"), **{"feature": seats.pk, "period": "1 month"} | fields
        )

        assert list(answer.context["form"].errors) == [field]
        assert not PromotionalEntitlement.objects.exists()

    def test_is_forbidden_to_readers(self, reader):
        """X9."""
        assert reader.get(page_of(a_customer(), "give")).status_code == 403


class TestOverview:
    def test_lists_what_was_given(self, support):
        customer = a_customer()
        a_feature("Seats", public_id="seats", unit_singular="seat", unit_plural="seats")
        given(customer, feature_id="seats")

        page = support.get(page_of(customer)).content.decode()

        for text in ("Promotional entitlements", "5 seats", "For good", "Revoke", "Add</a>"):
            assert text in page

    def test_says_what_to_do_first(self, support):
        page = support.get(page_of(a_customer())).content.decode()

        assert "No promotional entitlements" in page
        assert "Add promotional entitlement" in page

    def test_offers_readers_nothing_to_press(self, reader):
        """X9."""
        customer = a_customer()
        a_feature(public_id="seats")
        given(customer, feature_id="seats")

        page = reader.get(page_of(customer)).content.decode()

        assert "Revoke" not in page
        assert "/give/" not in page


class TestEntitlementSummary:
    def test_names_what_is_given_beside_what_is_bought(self, support):
        seats = a_feature("Seats", public_id="seats", unit_plural="seats")
        a_feature("Images", public_id="images", unit_plural="images")
        plan = a_published_plan("Pro", entitlements=[some_units(seats, 3)])
        customer = a_subscription(plan=plan).customer
        given(customer, feature_id="seats", limit=8)
        given(customer, feature_id="images", limit=2)

        rows = support.get(page_of(customer, "entitlements")).context["entitlements"]

        assert [(row.name, row.value) for row in rows] == [
            ("Seats", "8 seats"),
            ("Images", "2 images"),
        ]
        assert [source.kind for source in rows[0].sources] == ["Plan", "Promotional"]

    def test_shows_it_without_a_subscription(self, support):
        customer = a_customer()
        a_feature("Seats", public_id="seats", unit_plural="seats")
        given(customer, feature_id="seats")

        page = support.get(page_of(customer, "entitlements")).content.decode()

        assert "5 seats" in page
        assert "no running subscription" not in page


class TestRevoke:
    def test_takes_it_back(self, support):
        a_feature("Seats", public_id="seats")
        promotion = given(a_customer(), feature_id="seats")

        answer = support.press(f"{PROMOTIONS}{promotion.pk}/revoke/")

        assert words(answer) == ["Seats is revoked."]
        promotion.refresh_from_db()
        assert promotion.ends_at is not None

    def test_says_that_it_was_done_meanwhile(self, support):
        a_feature(public_id="seats")
        promotion = given(a_customer(public_id="acme"), feature_id="seats")
        page = f"{PROMOTIONS}{promotion.pk}/revoke/"
        once = support.get(page).context["once"]
        promotions.revoke(customer_id="acme", feature_id="seats", actor=SYSTEM, now=NOW)

        answer = support.post(page, {"once": once}, follow=True)

        assert "no promotional entitlement" in answer.context["form"].non_field_errors()[0]

    def test_is_forbidden_to_readers(self, reader):
        """X9."""
        a_feature(public_id="seats")
        promotion = given(a_customer(), feature_id="seats")

        assert reader.get(f"{PROMOTIONS}{promotion.pk}/revoke/").status_code == 403
        assert reader.get(f"{PROMOTIONS}{promotion.pk}/change/").status_code == 200


class TestList:
    def test_shows_value_and_status(self, support):
        a_feature("Seats", public_id="seats", unit_plural="seats")
        given(a_customer("Acme"), feature_id="seats", period="1 week")

        page = support.get(PROMOTIONS).content.decode()

        for text in ("Seats", "Acme", "5 seats", "Expired", "1 Jan 2026", "8 Jan 2026"):
            assert text in page

    def test_takes_a_constant_number_of_queries(self, support, django_assert_max_num_queries):
        a_feature(public_id="seats")
        for number in range(12):
            given(a_customer(f"Customer {number}"), feature_id="seats")
        support.get(PROMOTIONS)

        with django_assert_max_num_queries(6):
            support.get(PROMOTIONS)

    def test_sorts_by_the_time_of_giving(self, support):
        a_feature("Old", public_id="old")
        a_feature("New", public_id="new")
        customer = a_customer()
        given(customer, feature_id="old")
        given(customer, feature_id="new")

        rows = support.get(PROMOTIONS).context["cl"].result_list

        assert [row.feature.name for row in rows] == ["New", "Old"]
