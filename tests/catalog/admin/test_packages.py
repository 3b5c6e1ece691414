import re

import pytest
from django.urls import reverse
from django.utils.html import strip_tags

from catalog import drafts, packages
from catalog.models import Package
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

    def test_shows_a_dash_where_nothing_is_unpublished(self, administrator):
        a_published_plan("Live")
        opened(a_published_plan("Changed"))

        def changes(name: str) -> str:
            page = administrator.get(PLANS + f"?q={name}").text
            [cell] = re.findall(r'<td[^>]*data-label="Changes">(.*?)</td>', page, re.DOTALL)
            return strip_tags(cell).strip()

        assert changes("Live") == "–"
        assert changes("Changed") == "Unpublished changes"

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
