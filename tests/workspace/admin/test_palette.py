import pytest
from django.test import Client

from subscriptions import customers
from tests.builders import (
    NOW,
    a_coupon,
    a_credit_type,
    a_customer,
    a_feature,
    a_product,
    a_published_addon,
    a_published_plan,
    a_subscription,
    some_credits,
)
from tests.credits.pools import a_pool, granted
from workspace.actors import SYSTEM
from workspace.models import Role

ADDRESS = "/admin/search/"


def found(visitor, typed: str) -> dict[str, list[str]]:
    """The titles that are found, by kind."""
    answer = visitor.get(ADDRESS, {"s": typed})
    assert answer.status_code == 200
    return {kind.label: [each.title for each in kind.found] for kind in answer.context["kinds"]}


@pytest.fixture
def shop(db):
    credit_type = a_credit_type("Zebra credits", public_id="zc")
    product = a_product("Zebra product", public_id="zp")
    plan = a_published_plan(
        "Zebra plan", public_id="zplan", product=product, entitlements=[some_credits(credit_type)]
    )
    a_published_addon("Zebra add-on", public_id="zadd", product=product)
    a_feature("Zebra feature", public_id="zf")
    a_coupon("Zebra coupon", public_id="zco")
    customer = a_customer("Zebra Ltd", public_id="zl", email="stripes@savanna.example")
    return a_subscription(customer, plan)


class TestSearch:
    def test_finds_what_is_named_so(self, administrator, shop):
        assert found(administrator, "zebra") == {
            "Plans": ["Zebra plan"],
            "Add-ons": ["Zebra add-on"],
            "Products": ["Zebra product"],
            "Features": ["Zebra feature"],
            "Credits": ["Zebra credits"],
            "Coupons": ["Zebra coupon"],
            "Customers": ["Zebra Ltd"],
        }

    @pytest.mark.parametrize(
        ("typed", "kind", "title"),
        [
            ("zplan", "Plans", "Zebra plan"),
            ("savanna", "Customers", "Zebra Ltd"),
            ("ltd zebra", "Customers", "Zebra Ltd"),
            ("  zl ", "Customers", "Zebra Ltd"),
            ("RESE", "Go to", "Resets"),
            ("add on", "Go to", "Add-ons"),
        ],
    )
    def test_finds_by_ids_and_words(self, administrator, shop, typed, kind, title):
        assert title in found(administrator, typed)[kind]

    def test_finds_a_subscription_by_its_id(self, administrator, shop):
        assert found(administrator, shop.public_id)["Subscriptions"] == ["Zebra plan of Zebra Ltd"]

    def test_finds_grants_by_name_and_id(self, administrator):
        grant = granted(a_pool(), name="Welcome gift")

        assert found(administrator, "welcome G")["Grants"] == ["Welcome gift"]
        assert found(administrator, str(grant.public_id)) == {"Grants": ["Welcome gift"]}
        assert "Grants" not in found(administrator, "gift")

    def test_puts_the_customer_with_exactly_this_id_first(self, administrator):
        a_customer("First", public_id="acme")
        for number in range(9):
            a_customer(f"Acme {number}")

        names = found(administrator, "acme")["Customers"]

        assert names[0] == "First"
        assert len(names) == 6

    def test_says_who_is_archived(self, administrator):
        a_customer("Zebra", public_id="z")
        customers.archive(customer_id="z", actor=SYSTEM, now=NOW)

        assert b"z, archived" in administrator.get(ADDRESS, {"s": "zebra"}).content

    def test_offers_all_screens_to_those_who_type_nothing(self, administrator):
        shown = found(administrator, "")

        assert list(shown) == ["Go to"]
        assert {"Customers", "Plans", "Users"} <= set(shown["Go to"])

    @pytest.mark.parametrize(
        "typed", ["%", "_", "'", '"', "\\", "\0", "x" * 10_000, "<b>", "\u202e"]
    )
    def test_finds_nothing_for_strange_texts(self, administrator, shop, typed):
        assert found(administrator, typed) == {}

    def test_shows_what_was_typed_as_text(self, administrator):
        page = administrator.get(ADDRESS, {"s": "<b>x</b>"}).content

        assert b"&lt;b&gt;" in page
        assert b"<b>" not in page

    def test_shows_only_screens_that_a_person_may_open(self, visit):
        assert "Users" not in found(visit(Role.READ_ONLY), "")["Go to"]

    def test_looks_for_nothing_that_a_person_may_not_view(self, visit, shop, monkeypatch):
        visitor = visit(Role.READ_ONLY)
        monkeypatch.setattr("workspace.roles.permissions_of", lambda role: {"catalog.view_plan"})

        assert found(visitor, "zebra") == {"Plans": ["Zebra plan"]}

    def test_is_for_those_who_signed_in(self, db):
        assert Client().get(ADDRESS, {"s": "a"}).status_code == 302

    def test_follows_a_new_name_at_once(self, administrator):
        """Nothing is remembered from one search to the next."""
        a_customer("Zebra", public_id="z")
        assert found(administrator, "zebra") == {"Customers": ["Zebra"]}

        customers.update(customer_id="z", name="Okapi", actor=SYSTEM, now=NOW)

        assert found(administrator, "zebra") == {}

    def test_takes_as_many_queries_for_many_as_for_one(
        self, administrator, shop, django_assert_num_queries
    ):
        found(administrator, "zebra")
        with django_assert_num_queries(12):
            found(administrator, "zebra")
        for number in range(9):
            a_customer(f"Zebra {number}")

        with django_assert_num_queries(12):
            found(administrator, "zebra")
