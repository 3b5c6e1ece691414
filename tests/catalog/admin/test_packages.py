from decimal import Decimal

import pytest
from django.urls import reverse

from catalog import drafts, packages
from catalog.models import Package, PackageVersion
from tests.builders import (
    NOW,
    a_credit_type,
    a_feature,
    a_metered_feature,
    a_new_version,
    a_plan,
    a_product,
    a_published_addon,
    a_published_plan,
    a_rate,
    a_subscription,
    an_addon,
    reloaded,
    some_credits,
    some_units,
)
from tests.workspace.admin.conftest import words
from workspace.actors import SYSTEM
from workspace.models import Role

pytestmark = pytest.mark.django_db

PLANS = "/admin/catalog/plan/"
ADDONS = "/admin/catalog/addon/"


def page(package: Package, name: str = "change") -> str:
    return f"{PLANS if package.kind == 'PLAN' else ADDONS}{package.pk}/{name}/"


def opened(package: Package) -> Package:
    drafts.open_draft(package_id=package.pk, actor=SYSTEM, now=NOW)
    return reloaded(package)


class TestPackageAdmin:
    def test_lists_plans_and_addons_apart(self, administrator):
        plan, addon = a_plan(), an_addon()

        assert list(administrator.get(PLANS).context["cl"].result_list) == [plan]
        assert list(administrator.get(ADDONS).context["cl"].result_list) == [addon]

    def test_filters_by_state_and_product(self, administrator):
        product = a_product(public_id="studio")
        draft = a_plan("Draft")
        live = a_published_plan("Live", product=product)
        changed = opened(a_published_plan("Changed"))

        def shown(query: str) -> set[Package]:
            return set(administrator.get(PLANS + query).context["cl"].result_list)

        assert shown("?status=drafts") == {draft}
        assert shown("?status=published") == {live, changed}
        assert shown("?status=changed") == {changed}
        assert shown("?product=studio") == {live}
        assert shown("?product=unknown") == {draft, live, changed}
        assert shown("?q=Liv") == {live}

    def test_takes_a_constant_number_of_queries(self, administrator, django_assert_max_num_queries):
        for number in range(15):
            opened(a_published_plan(f"Plan {number}"))

        with django_assert_max_num_queries(10):
            assert len(administrator.get(PLANS).context["cl"].result_list) == 15


class TestAddPackage:
    def test_begins_a_plan_as_a_draft(self, administrator):
        """R8."""
        product = a_product()

        answer = administrator.press(
            f"{PLANS}add/",
            product=str(product.pk),
            name="Pro",
            public_id="pro",
            pricing_type="PAID",
        )

        plan = Package.objects.get()
        assert (plan.kind, plan.live) == ("PLAN", None)
        assert answer.redirect_chain == [(page(plan), 302)]

    @pytest.mark.parametrize(
        ("fields", "most"),
        [
            ({"instances": "single", "max_quantity": "7"}, 1),
            ({"instances": "multiple"}, None),
            ({"instances": "multiple", "max_quantity": "7"}, 7),
        ],
    )
    def test_begins_an_addon_with_its_quantity(self, administrator, fields, most):
        """R6."""
        administrator.press(
            f"{ADDONS}add/",
            product=str(a_product().pk),
            name="Extra",
            public_id="extra",
            pricing_type="PAID",
            **fields,
        )

        assert PackageVersion.objects.get().max_quantity == most

    def test_wants_a_product_first(self, administrator):
        answer = administrator.get(f"{PLANS}add/", follow=True)

        assert "Create a product first" in words(answer)[0]


class TestPackagePage:
    def test_greys_what_is_inherited(self, administrator):
        """R5."""
        ai, api = a_credit_type("AI"), a_credit_type("API")
        free = a_published_plan("Free", pricing_type="FREE", entitlements=[some_credits(ai, 500)])
        pro = a_plan(
            "Pro", product=free.product, base_plan=free, entitlements=[some_credits(api, 50_000)]
        )

        answer = administrator.get(page(pro))

        assert [row.name for row in answer.context["inherited"]] == ["AI"]
        assert [row.value for row in answer.context["own"]] == ["50,000 credits / month"]
        assert "Everything included in Free" in answer.content.decode()

    def test_shows_the_draft_first_and_the_live_version_on_request(self, administrator):
        """R8."""
        plan = opened(a_published_plan())
        packages.edit(package_id=plan.pk, name="Max", actor=SYSTEM, now=NOW)

        assert administrator.get(page(plan)).context["version"].name == "Max"
        assert administrator.get(page(plan) + "?version=live").context["version"].name == "Pro"
        assert administrator.get(page(plan) + "?version=1").context["version"].name == "Pro"
        assert administrator.get(page(plan) + "?version=99999").context["version"].name == "Max"

    def test_offers_edits_only_on_the_draft(self, administrator):
        plan = opened(a_published_plan(entitlements=[some_credits(a_credit_type())]))

        assert administrator.get(page(plan)).context["is_editable"]
        live = administrator.get(page(plan) + "?version=live")
        assert not live.context["is_editable"]
        assert b"change-credits" not in live.content

    def test_takes_a_constant_number_of_queries(self, administrator, django_assert_max_num_queries):
        product = a_product()
        addons = [a_published_addon(f"Addon {number}", product=product) for number in range(5)]
        plan = a_plan(
            product=product,
            entitlements=[
                *(some_credits(a_credit_type(f"Type {number}")) for number in range(6)),
                *(some_units(a_feature(f"Feature {number}")) for number in range(6)),
            ],
            mappings=[a_rate(a_metered_feature(f"Use {n}"), a_credit_type()) for n in range(5)],
            compatible_addons=addons,
        )

        with django_assert_max_num_queries(16):
            administrator.get(page(plan))

    def test_shows_no_buttons_to_readers(self, visit):
        """X9."""
        plan = opened(a_published_plan(entitlements=[some_credits(a_credit_type())]))

        answer = visit("READ_ONLY").get(page(plan))

        assert answer.status_code == 200
        for word in (
            b"Review &amp; publish",
            b"Discard",
            b"+ Add",
            b"change-credits",
            b"/details/",
        ):
            assert word not in answer.content


class TestOpenDraft:
    def test_opens_it_with_one_press(self, administrator):
        """R8."""
        plan = a_published_plan()

        answer = administrator.post(page(plan, "open-draft"), follow=True)

        assert words(answer) == ["You are editing a draft of Pro."]
        assert reloaded(plan).draft is not None

    def test_is_offered_where_there_is_none(self, administrator):
        assert administrator.get(page(a_published_plan())).context["may_open"]
        assert not administrator.get(page(a_plan())).context["may_open"]

    def test_tells_a_second_editor(self, administrator):
        plan = opened(a_published_plan())

        answer = administrator.post(page(plan, "open-draft"), follow=True)

        assert answer.context["form"].non_field_errors() == ["Pro has an open draft already."]


class TestDiscard:
    def test_takes_a_package_that_was_never_published_along(self, administrator):
        """R8."""
        plan = a_plan()

        answer = administrator.press(page(plan, "discard"))

        assert words(answer)[0] == "The draft of Pro is discarded."
        assert not Package.objects.exists()


class TestDraftDialog:
    def test_saves_details(self, administrator):
        plan = a_plan()

        answer = administrator.press(
            page(plan, "details"),
            revision=str(plan.draft.revision),
            name="Team",
            pricing_type="CUSTOM",
        )

        assert words(answer) == ["The details are saved."]
        assert reloaded(plan).draft.pricing_type == "CUSTOM"

    def test_does_not_overwrite_what_somebody_saved_meanwhile(self, administrator):
        """Two tabs on one draft: the second is told."""
        plan = a_plan()
        seen = str(plan.draft.revision)
        administrator.press(page(plan, "details"), revision=seen, name="Mine", pricing_type="PAID")

        answer = administrator.press(
            page(plan, "details"), revision=seen, name="Yours", pricing_type="PAID"
        )

        [message] = answer.context["form"].non_field_errors()
        assert "Somebody changed this draft" in message
        assert reloaded(plan).draft.name == "Mine"

    @pytest.mark.parametrize("name", ["details", "prices", "trial", "include", "publish"])
    def test_leads_back_when_the_draft_is_gone(self, administrator, name):
        """A stale form after a publication."""
        plan = a_published_plan()

        for send in (administrator.get, administrator.post):
            answer = send(page(plan, name), follow=True)
            assert answer.redirect_chain == [(page(plan), 302)]
            assert "no open draft" in words(answer)[0]
        assert reloaded(plan).live.number == 1

    def test_saves_a_trial_and_takes_it_away(self, administrator):
        """R5."""
        plan = a_plan()

        for length, expected in (("14", 14), ("", None)):
            administrator.press(
                page(plan, "trial"),
                trial_length=length,
                trial_unit="DAY",
                trial_end="CANCEL_SUBSCRIPTION",
            )
            assert reloaded(plan).draft.trial_length == expected

    def test_saves_the_budget_of_a_trial_and_takes_it_away(self, administrator):
        plan = a_plan()
        terms = {"trial_unit": "DAY", "trial_end": "CONVERT_TO_PAID", "budget_limit": "soft"}
        shown = []

        for length, budget in (("14", "1,000.50"), ("14", ""), ("", "5")):
            administrator.press(page(plan, "trial"), trial_length=length, budget=budget, **terms)
            form = administrator.get(page(plan, "trial")).context["form"]
            shown.append((reloaded(plan).draft.trial_budget, form["budget"].value()))

        assert shown == [
            ({"limit": "1000.5", "has_soft_limit": True}, "1000.5"),
            (None, None),
            (None, None),
        ]

    def test_chooses_compatible_addons(self, administrator):
        """R5."""
        addon = a_published_addon()
        plan = a_plan(product=addon.product)

        administrator.press(page(plan, "addons"), addons=[str(addon.pk)])

        assert list(reloaded(plan).draft.compatible_addons.all()) == [addon]

    def test_refuses_addons_of_other_products(self, administrator):
        plan = a_plan()

        answer = administrator.press(page(plan, "addons"), addons=[str(a_published_addon().pk)])

        assert "addons" in answer.context["form"].errors

    def test_chooses_dependencies(self, administrator):
        """R6."""
        first = a_published_addon("First")
        second = an_addon("Second", product=first.product)

        administrator.press(page(second, "dependencies"), addons=[str(first.pk)])

        assert list(reloaded(second).draft.dependencies.all()) == [first]


class TestEditPrices:
    def test_saves_them(self, administrator):
        plan = a_plan(monthly=None)

        administrator.press(page(plan, "prices"), monthly=" 1,049.50 ", yearly="", currency="EUR")

        charge = reloaded(plan).draft.charges.get()
        assert (charge.amount, charge.currency) == (Decimal("1049.50"), "EUR")

    @pytest.mark.parametrize(
        "amount",
        ["-1", "1,5", "1e5", "ten", "１２", "1.2345678", "1 000", "0x10", "9" * 50, "1\u200b"],
    )
    def test_refuses_what_could_mean_two_things(self, administrator, amount):
        plan = a_plan(monthly=49)

        answer = administrator.press(page(plan, "prices"), monthly=amount, currency="USD")

        assert "monthly" in answer.context["form"].errors
        assert reloaded(plan).draft.charges.get().amount == 49


class TestPrices:
    """Those beside the base prices."""

    GRADUATED = "100: 5\n1,000: 4 + 20\nbeyond: 3"

    def test_are_added_in_tiers_edited_and_removed(self, administrator):
        plan, seats = a_plan(monthly=49), a_feature("Seats")
        wanted = {
            "billing_model": "PER_UNIT",
            "feature": seats.pk,
            "billing_period": "MONTHLY",
            "billing_cadence": "RECURRING",
            "currency": "EUR",
            "is_overage": "on",
            "minimum_quantity": "2",
        }

        administrator.press(
            page(plan, "add-price"), **wanted, tiers_mode="GRADUATED", tiers=self.GRADUATED
        )

        charge = reloaded(plan).draft.charges.get(feature=seats)
        assert (charge.is_overage, charge.minimum_quantity, charge.amount) == (True, 2, None)
        overview = administrator.get(page(plan, "change"))
        [row] = [row for row in overview.context["prices"] if row.change_url]
        assert row.label == "Monthly per unit – Seats, overage"
        assert "up to 100: 5 EUR each; up to 1,000: 4 EUR each + 20 EUR in all" in row.value
        form = administrator.get(row.change_url).context["form"]
        assert form["tiers"].initial == "100: 5\n1000: 4 + 20\nbeyond: 3"
        assert form["currency"].initial == "EUR"

        administrator.press(row.change_url, **wanted, amount="7")

        charge = reloaded(plan).draft.charges.get(feature=seats)
        assert (charge.amount, charge.tiers, charge.currency) == (7, [], "EUR")

        administrator.press(f"{page(plan, 'remove-price')}{charge.pk}/")

        assert reloaded(plan).draft.charges.get().amount == 49

    def test_say_from_when_use_is_counted_and_how_often_credits_come(self, administrator):
        plan, seats, tokens = a_plan(monthly=49), a_feature("Seats"), a_credit_type("Tokens")
        shared = {"billing_period": "MONTHLY", "billing_cadence": "RECURRING", "currency": "USD"}
        by_use = {"billing_model": "USAGE_BASED", "feature": seats.pk, "reset_period": "WEEK"}
        bought = {"billing_model": "CREDIT_BASED", "credit_type": tokens.pk}
        monthly = {"credit_grant_cadence": "MONTHLY", "counted_from_week": "EveryFriday"}

        for wanted in (by_use, bought):
            administrator.press(page(plan, "add-price"), amount="5", **wanted, **monthly, **shared)

        said = {
            charge.billing_model: (
                charge.reset_period,
                charge.reset_configuration,
                charge.credit_grant_cadence,
            )
            for charge in reloaded(plan).draft.charges.exclude(billing_model="FLAT_FEE")
        }
        assert said == {
            "USAGE_BASED": ("WEEK", {"accordingTo": "EveryFriday"}, ""),
            "CREDIT_BASED": ("", None, "MONTHLY"),
        }
        rows = administrator.get(page(plan, "change")).context["prices"]
        [use, bought_credits] = [row for row in rows if row.change_url]
        assert use.value == "5 USD / month; use starts afresh every week from Friday"
        assert bought_credits.value == "5 USD / month; credits granted every month"
        assert administrator.get(use.change_url).context["form"].initial["counted_from_week"] == (
            "EveryFriday"
        )
        cadence = administrator.get(bought_credits.change_url).context["form"][
            "credit_grant_cadence"
        ]
        assert cadence.initial == "MONTHLY"

    @pytest.mark.parametrize("tiers", ["", "5", "x: 5", "beyond: 5\n9: 4", "9: 5 + x", "9:"])
    def test_refuse_steps_that_nobody_could_follow(self, administrator, tiers):
        plan, seats = a_plan(monthly=49), a_feature("Seats")

        answer = administrator.post(
            page(plan, "add-price"),
            {
                "billing_model": "USAGE_BASED",
                "feature": seats.pk,
                "billing_period": "ANNUALLY",
                "billing_cadence": "RECURRING",
                "currency": "USD",
                "tiers_mode": "VOLUME",
                "tiers": tiers,
            },
        )

        assert answer.context["form"].errors
        assert reloaded(plan).draft.charges.count() == 1

    def test_of_units_want_what_is_counted(self, administrator):
        plan = a_plan(monthly=49)

        answer = administrator.post(
            page(plan, "add-price"),
            {
                "billing_model": "PER_UNIT",
                "billing_period": "MONTHLY",
                "billing_cadence": "RECURRING",
                "currency": "USD",
                "amount": "5",
            },
        )

        assert answer.context["form"].errors["feature"] == ["Choose what is counted."]


class TestVersionsPage:
    def test_lists_them_newest_first(self, administrator):
        plan = a_published_plan()

        [version] = administrator.get(page(plan, "versions")).context["versions"]

        assert (version["number"], version["is_live"]) == (1, True)

    def test_counts_who_stands_on_each_and_leads_to_their_migration(self, administrator, visit):
        """R10, X9."""
        plan = a_published_plan()
        a_subscription(plan=plan)
        a_new_version(plan)
        a_subscription(plan=reloaded(plan))
        a_subscription(plan=reloaded(plan))

        answer = administrator.get(page(plan, "versions"))

        numbers = {row["number"]: row["holders"] for row in answer.context["versions"]}
        assert numbers == {2: 2, 1: 1}
        assert b"Legacy" in answer.content
        migrate = f"{reverse('admin:subscriptions_rolloutrun_begin')}?package={plan.pk}"
        assert f"{migrate}&amp;from=1" in answer.content.decode()
        assert migrate not in visit(Role.READ_ONLY).get(page(plan, "versions")).content.decode()

    def test_takes_a_constant_number_of_queries(self, administrator, django_assert_num_queries):
        plan = a_published_plan()
        for _ in range(3):
            a_new_version(plan)

        with django_assert_num_queries(5):
            administrator.get(page(plan, "versions"))


class TestComparePage:
    @pytest.fixture
    def plan(self):
        """A plan with three versions and a draft, each with a name of its own."""
        plan = a_published_plan("One")
        for name in ("Two", "Three"):
            a_new_version(plan, name=name)
        opened(plan)
        packages.edit(package_id=plan.pk, name="Four", actor=SYSTEM, now=NOW)
        return plan

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ("", ("Three", "Four")),
            ("?to=2", ("One", "Two")),
            ("?from=1&to=3", ("One", "Three")),
            ("?from=3&to=1", ("Three", "One")),
            ("?from=x&to=99", ("Three", "Four")),
        ],
    )
    def test_shows_any_two_side_by_side(self, administrator, plan, query, names):
        """R9."""
        answer = administrator.get(page(plan, "compare") + query)

        [(_, [change])] = answer.context["sections"]
        assert (change.before, change.after) == names

    def test_says_that_there_is_no_difference(self, administrator, plan):
        answer = administrator.get(page(plan, "compare") + "?from=2&to=2")

        assert b"No difference" in answer.content


class TestPermissions:
    """X9: on the server, for both methods."""

    def addresses(self) -> list[str]:
        credit_type, seats, image = a_credit_type(), a_feature(), a_metered_feature()
        plan = opened(
            a_published_plan(
                entitlements=[some_credits(credit_type), some_units(seats)],
                mappings=[a_rate(image, credit_type)],
            )
        )
        assert plan.draft is not None
        mapping = plan.draft.mappings.get()
        names = [
            "details",
            "include",
            "prices",
            "consumption",
            "move",
            "publish",
            "trial",
            "addons",
            "open-draft",
            "discard",
            "archive",
            "unarchive",
            f"include-credits/{credit_type.pk}",
            f"include-feature/{seats.pk}",
            f"change-credits/{credit_type.pk}",
            f"change-feature/{seats.pk}",
            f"exclude-credits/{credit_type.pk}",
            f"exclude-feature/{seats.pk}",
            f"change-consumption/{mapping.pk}",
            f"remove-consumption/{mapping.pk}",
        ]
        return [
            *(page(plan, name) for name in names),
            f"{PLANS}add/",
            f"{ADDONS}add/",
            "/admin/catalog/product/add/",
            f"/admin/catalog/product/{plan.product_id}/edit/",
            f"/admin/catalog/product/{plan.product_id}/journey/",
            "/admin/catalog/feature/add/",
            f"/admin/catalog/feature/{seats.pk}/edit/",
            "/admin/catalog/credittype/add/",
            f"/admin/catalog/credittype/{credit_type.pk}/edit/",
        ]

    @pytest.mark.parametrize("role", ["READ_ONLY", "CUSTOMER_SUPPORT"])
    def test_keep_those_out_who_may_only_look(self, visit, role):
        visitor = visit(role)

        for address in self.addresses():
            assert visitor.get(address).status_code == 403, address
            assert visitor.post(address).status_code == 403, address

    def test_let_product_managers_in(self, visit):
        visitor = visit("PRODUCT_MANAGER")

        for address in self.addresses():
            assert visitor.get(address).status_code in (200, 302), address

    def test_let_nobody_delete(self, administrator):
        plan = a_published_plan()

        assert administrator.post(page(plan, "delete"), {"post": "yes"}).status_code == 403
        assert Package.objects.get() == plan
