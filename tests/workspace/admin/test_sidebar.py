import pytest

from workspace.models import Role

EVERYBODY = [
    "Products",
    "Plans",
    "Add-ons",
    "Features",
    "Credits",
    "Coupons",
    "Customers",
    "Activity",
]
FROM_ELSEWHERE = {"Credits": "Credit types"}
"""Lines that are called otherwise than what they list."""
ADMINISTRATORS = ["API keys", "Users", "Tasks"]


def lines(visitor) -> dict[str, str]:
    """The lines of the sidebar that a person sees, with their addresses."""
    answer = visitor.get("/admin/")
    return {
        line["title"]: str(line["link"])
        for group in answer.context["sidebar_navigation"]
        for line in group["items"]
        if line["has_permission"]
    }


@pytest.mark.django_db
class TestSidebar:
    @pytest.mark.parametrize("role", list(Role))
    def test_leads_only_where_the_role_may_go(self, visit, role):
        """X9."""
        visitor = visit(role)

        shown = lines(visitor)

        assert set(EVERYBODY) <= set(shown)
        assert (set(ADMINISTRATORS) <= set(shown)) == (role == Role.ADMINISTRATOR)
        assert (set(ADMINISTRATORS) & set(shown) == set()) == (role != Role.ADMINISTRATOR)
        for address in shown.values():
            assert visitor.get(address).status_code == 200, address

    def test_is_where_the_head_of_each_page_says(self, administrator):
        groups = administrator.get("/admin/").context["sidebar_navigation"]

        for group in groups:
            for line in group["items"]:
                page = administrator.get(str(line["link"]))
                name = FROM_ELSEWHERE.get(line["title"], line["title"])
                way = [crumb.label for crumb in page.wsgi_request.crumbs]
                assert way == ([name] if name == group["title"] else [group["title"], name])
                assert active_lines(page) == [line["title"]]

    def test_knows_where_an_import_of_the_catalog_belongs(self, administrator):
        page = administrator.get("/admin/catalog/product/import/")

        assert active_lines(page) == ["Catalog file"]


def active_lines(page) -> list[str]:
    """The lines of the sidebar that are marked as where one is."""
    return [
        line["title"]
        for group in page.context["sidebar_navigation"]
        for line in group["items"]
        if line["active"]
    ]
