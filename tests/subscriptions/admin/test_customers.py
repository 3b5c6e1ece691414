from datetime import timedelta

import pytest

from subscriptions import customers
from subscriptions.customers import Link
from subscriptions.models import Customer, Status, Subscription
from tests.builders import NOW, a_customer, a_product, a_published_plan, a_subscription
from tests.workspace.admin.conftest import words
from workspace.actors import SYSTEM

CUSTOMERS = "/admin/subscriptions/customer/"


def page_of(customer: Customer, name: str = "change") -> str:
    return f"{CUSTOMERS}{customer.pk}/{name}/"


class TestList:
    def test_shows_names_and_plans(self, support, studio):
        acme = a_customer("Acme", public_id="acme", email="a@acme.example")
        a_subscription(acme, studio.pro)

        page = support.get(CUSTOMERS).content.decode()

        for text in ("Acme", "acme", "a@acme.example", "Pro", "1 Jan 2026", "New customer"):
            assert text in page

    def test_takes_as_many_queries_for_many_as_for_one(
        self, support, studio, django_assert_num_queries
    ):
        a_subscription(a_customer(), studio.pro)
        support.get(CUSTOMERS)
        with django_assert_num_queries(6):
            support.get(CUSTOMERS)
        for _ in range(12):
            a_subscription(a_customer(), studio.pro)

        with django_assert_num_queries(6):
            support.get(CUSTOMERS)

    def test_says_what_to_do_next_when_it_is_empty(self, support):
        page = support.get(CUSTOMERS).content.decode()

        assert "No customers yet" in page
        assert f"{CUSTOMERS}add/" in page

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("q=acme", True),
            ("q=a@acme", True),
            ("q=nobody", False),
            ("q=%25", False),
            ("q=' OR 1=1", False),
            ("q=" + "x" * 5000, False),
            ("plan=pro", True),
            ("plan=nothing", False),
            ("status=archived", False),
            ("status=all", True),
            ("status=nonsense", True),
            ("o=99", True),
            ("p=1000000", None),
            ("unknown=1", None),
        ],
    )
    def test_searches_and_filters(self, support, studio, query: str, found: bool | None):
        a_subscription(a_customer("Acme", public_id="acme", email="a@acme.example"), studio.pro)

        answer = support.get(f"{CUSTOMERS}?{query}", follow=True)

        assert answer.status_code == 200
        if found is not None:
            assert ("a@acme.example</" in answer.content.decode()) is found

    def test_leaves_archived_customers_out(self, support):
        customer = a_customer("Acme")
        customers.archive(customer_id=customer.public_id, actor=SYSTEM, now=NOW)

        assert "Acme" not in support.get(CUSTOMERS).content.decode()
        assert "Acme" in support.get(f"{CUSTOMERS}?status=archived").content.decode()

    def test_offers_readers_nothing_to_press(self, reader):
        a_customer("Acme")

        page = reader.get(CUSTOMERS).content.decode()

        assert "Acme" in page
        assert "New customer" not in page
        assert "Actions for" not in page


class TestAdd:
    def test_creates_a_customer_and_shows_them(self, support):
        answer = support.press(
            f"{CUSTOMERS}add/", name="Acme", public_id="acme", email="a@acme.example"
        )

        customer = Customer.objects.get()
        assert (customer.public_id, customer.name) == ("acme", "Acme")
        assert answer.redirect_chain == [(page_of(customer), 302)]
        assert words(answer) == ["Acme is created."]

    def test_acts_once_when_sent_twice(self, support):
        form = {"once": "same", "name": "Acme", "public_id": "acme"}
        support.post(f"{CUSTOMERS}add/", form)

        answer = support.post(f"{CUSTOMERS}add/", form, follow=True)

        assert Customer.objects.count() == 1
        assert words(answer)[-1] == "This was done before: Acme is created."

    @pytest.mark.parametrize(
        "fields",
        [
            {"public_id": ""},
            {"public_id": "a b"},
            {"public_id": "x" * 300},
            {"public_id": "ok", "email": "no address"},
            {"public_id": "ok", "name": "a\u202eb"},
            {"public_id": "ok", "name": "n" * 300},
            {"public_id": "ok", "billing_currency": "XXX"},
            {"public_id": "taken"},
        ],
    )
    def test_says_what_is_wrong(self, support, fields: dict[str, str]):
        a_customer(public_id="taken")

        answer = support.press(f"{CUSTOMERS}add/", **fields)

        assert answer.status_code == 200
        assert answer.context["form"].errors
        assert Customer.objects.count() == 1

    def test_is_forbidden_to_readers(self, reader):
        assert reader.get(f"{CUSTOMERS}add/").status_code == 403
        assert reader.post(f"{CUSTOMERS}add/", {"public_id": "acme"}).status_code == 403
        assert not Customer.objects.exists()


class TestEdit:
    def test_saves_changes(self, support):
        customer = a_customer("Acme", email="a@acme.example")

        answer = support.press(page_of(customer, "edit"), name="New", email="")

        customer.refresh_from_db()
        assert (customer.name, customer.email) == ("New", "")
        assert words(answer) == ["New is saved."]

    def test_is_forbidden_to_readers(self, reader):
        customer = a_customer("Acme")

        assert reader.post(page_of(customer, "edit"), {"name": "New"}).status_code == 403
        assert "/edit/" not in reader.get(page_of(customer)).content.decode()


class TestOverview:
    def test_shows_subscriptions_and_where_they_stand(self, support, studio):
        customer = a_customer("Acme")
        a_subscription(customer, studio.pro)

        answer = support.get(page_of(customer))

        page = answer.content.decode()
        (row,) = answer.context["rows"]
        assert (row.version, row.cadence) == ("v1", "Monthly")
        assert [badge.label for badge in row.badges] == ["Active"]
        assert [link.label for link in row.links] == ["Update", "Cancel subscription"]
        for text in ("Studio", "Pro", "1 Jan 2026", "Create subscription"):
            assert text in page

    def test_has_one_address_per_tab(self, support):
        tabs = support.get(page_of(a_customer())).context["tabs"]

        assert [(tab.label, tab.is_current) for tab in tabs] == [
            ("Overview", True),
            ("Entitlement summary", False),
            ("Entitlement usage", False),
            ("Credits", False),
            ("Activity", False),
        ]

    def test_takes_as_many_queries_for_many_as_for_one(self, support, django_assert_num_queries):
        plan = a_published_plan(product=a_product(multiple_subscriptions=True))
        customer = a_customer()
        a_subscription(customer, plan, resource_id="first")
        support.get(page_of(customer))
        with django_assert_num_queries(8):
            support.get(page_of(customer))
        for number in range(8):
            a_subscription(customer, plan, resource_id=f"resource-{number}")

        with django_assert_num_queries(8):
            support.get(page_of(customer))

    def test_offers_readers_nothing_to_press(self, reader, studio):
        customer = a_customer("Acme")
        a_subscription(customer, studio.pro)

        page = reader.get(page_of(customer)).content.decode()

        assert "Pro" in page
        for text in ("Create subscription", "Cancel subscription", "Actions for", "Archive"):
            assert text not in page

    def test_of_nobody_leads_back_to_the_list(self, support):
        answer = support.get(f"{CUSTOMERS}12345/change/", follow=True)

        assert answer.redirect_chain == [(CUSTOMERS, 302)]

    def test_shows_texts_as_they_are(self, support):
        """X16."""
        customer = a_customer("<script>alert(1)</script>", metadata={"<b>": "<i>"})

        page = support.get(page_of(customer)).content.decode()

        assert "<script>alert(1)" not in page
        assert "&lt;script&gt;alert(1)" in page
        assert "<dd><i>" not in page


class TestDetails:
    def test_name_the_records_in_other_systems_and_the_payment_method(self, support):
        customer = a_customer(
            integrations=[Link("crm", "HUBSPOT", "contact-7"), Link("billing", "STRIPE")],
            payment_method={"billingId": "pm_1", "type": "CARD"},
            coupon_id="launch",
        )

        facts = dict(support.get(page_of(customer)).context["facts"])

        assert (facts["HubSpot"], facts["Stripe"]) == ("contact-7", "billing")
        assert (facts["Payment method"], facts["Coupon"]) == ("pm_1", "launch")


class TestEntitlementSummary:
    def test_says_what_comes_from_where(self, support, studio):
        """R15."""
        customer = a_customer()
        a_subscription(customer, studio.pro, addons=[(studio.extra, 3)])

        answer = support.get(page_of(customer, "entitlements"))

        (row,) = answer.context["entitlements"]
        assert (row.name, row.value) == ("API Credits", "80,000 credits / month")
        assert [(source.kind, source.name, source.value) for source in row.sources] == [
            ("Plan", "Pro", "50,000 credits / month"),
            ("Add-on", "Extra API Credits × 3", "30,000 credits / month"),
        ]
        assert "80,000 credits / month" in answer.content.decode()

    def test_says_what_an_override_silences(self, support, studio):
        """R16."""
        customer = a_customer()
        a_subscription(customer, studio.pro, addons=[(studio.extra, 3), (studio.override, 1)])

        (row,) = support.get(page_of(customer, "entitlements")).context["entitlements"]

        assert row.value == "500,000 credits / month"
        assert "override" in row.note
        assert [bool(source.note) for source in row.sources] == [True, True, False]

    def test_shows_the_subscription_that_is_picked(self, support):
        plan = a_published_plan(product=a_product(multiple_subscriptions=True))
        customer = a_customer()
        for name in ("berlin", "paris"):
            a_subscription(customer, plan, resource_id=name, public_id=name)

        address = page_of(customer, "entitlements")
        picked = support.get(f"{address}?subscription=berlin").context["picked"]
        unknown = support.get(f"{address}?subscription=%00").context["picked"]

        assert picked.public_id == "berlin"
        assert unknown.public_id == "paris"

    def test_of_nothing_says_so(self, support):
        page = support.get(page_of(a_customer(), "entitlements")).content.decode()

        assert "no running subscription" in page


class TestArchive:
    def test_retires_and_brings_back(self, support):
        customer = a_customer("Acme")
        a_subscription(customer)

        archived = support.press(page_of(customer, "archive"))
        subscription = Subscription.objects.get()

        assert words(archived) == ["Acme is archived."]
        assert subscription.status_at(subscription.updated_at) == Status.CANCELED
        assert words(support.press(page_of(customer, "unarchive"))) == ["Acme is active again."]

    def test_does_nothing_when_only_looked_at(self, support):
        customer = a_customer()

        support.get(page_of(customer, "archive"))

        customer.refresh_from_db()
        assert customer.archived_at is None

    def test_is_forbidden_to_readers(self, reader):
        customer = a_customer()

        assert reader.post(page_of(customer, "archive")).status_code == 403
        customer.refresh_from_db()
        assert customer.archived_at is None


class TestActivity:
    def test_shows_what_happened_to_the_customer_and_all_of_theirs(self, support, studio):
        customer = a_customer("Acme")
        a_subscription(customer, studio.pro, now=NOW + timedelta(days=1))

        page = support.get(page_of(customer, "activity")).content.decode()

        assert "Customer created" in page
        assert "Subscription created" in page
