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
