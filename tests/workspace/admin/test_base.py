import pytest
from django.contrib import admin

from tests.workspace.builders import a_key, a_user
from workspace.admin.base import LabelledInputs, WorkspaceAdmin, button
from workspace.models import Activity, ApiKey, Role, User

USERS = "/admin/workspace/user/"
KEYS = "/admin/workspace/apikey/"


@pytest.mark.django_db
class TestWorkspaceAdmin:
    def test_shows_the_buttons_of_an_object_and_its_tabs(self, administrator):
        user = a_user(Role.READ_ONLY)

        context = administrator.get(f"{USERS}{user.pk}/change/").context

        assert [link.label for link in context["menu"]] == [
            "Change role",
            "Deactivate",
            "Set password",
        ]
        assert [(tab.label, tab.is_current) for tab in context["tabs"]] == [
            ("Details", True),
            ("Activity", False),
        ]

    def test_offers_to_edit_beside_the_menu(self, administrator):
        user = a_user(Role.READ_ONLY)

        page = administrator.get(f"{USERS}{user.pk}/activity/")

        assert [(link.label, link.is_primary) for link in page.context["buttons"]] == [
            ("Edit", False)
        ]
        assert f'<a href="{USERS}{user.pk}/change/" class="cx-button">Edit</a>' in page.text

    def test_leaves_out_what_is_not_possible(self, administrator):
        user = a_user(Role.READ_ONLY, is_active=False)

        context = administrator.get(f"{USERS}{user.pk}/change/").context

        assert [link.label for link in context["menu"]] == [
            "Change role",
            "Reactivate",
            "Set password",
        ]

    def test_offers_the_menu_in_every_row(self, administrator):
        key = a_key().key

        page = administrator.get(KEYS).content.decode()

        assert f'aria-label="Actions for {key.name}"' in page
        assert f"{KEYS}{key.pk}/revoke/?next=%2Fadmin%2Fworkspace%2Fapikey%2F" in page

    def test_costs_a_list_a_fixed_number_of_statements(
        self, administrator, django_assert_num_queries
    ):
        for _ in range(15):
            a_key()

        with django_assert_num_queries(4):  # session, person, count, rows
            administrator.get(KEYS)

    def test_says_what_to_do_next_in_an_empty_list(self, administrator):
        page = administrator.get(KEYS).content.decode()

        assert "No API keys yet" in page
        assert page.count("Create API key") >= 2

    def test_does_not_say_so_when_a_search_finds_nothing(self, administrator):
        a_key()

        page = administrator.get(KEYS, {"q": "nothing like this"}).content.decode()

        assert "No API keys yet" not in page
        assert "No results found" in page

    @pytest.mark.parametrize(
        "query",
        [
            "q=%25",
            "q=_",
            "q='",
            "q=%22",
            "q=" + "x" * 10_000,
            "q=%00",
            "o=99",
            "o=x",
            "p=1000000000",
            "p=x",
            "kind__exact=NOTHING",
            "nothing=1",
            "revoked_at__isempty=x",
        ],
    )
    def test_shows_a_page_for_any_address(self, administrator, query):
        """Hardening, admin: search, sorting, pages and filters gone wrong."""
        a_key()

        assert administrator.get(f"{KEYS}?{query}", follow=True).status_code == 200

    @pytest.mark.parametrize("query", ["role=%00", "role=ADMINISTRATOR&role=%00", "is_active=%00"])
    def test_shows_a_page_for_a_filter_that_databases_refuse(self, administrator, query):
        assert administrator.get(f"{USERS}?{query}", follow=True).status_code == 200

    def test_says_when_an_object_is_gone(self, administrator):
        for address in (f"{USERS}999/change/", f"{USERS}x/change/", f"{USERS}999/activity/"):
            answer = administrator.get(address, follow=True)
            assert b"This user does not exist any more." in answer.content

    def test_records_an_edit_by_hand(self, administrator):
        """X20: who, old and new."""
        user = a_user(Role.READ_ONLY, first_name="Grace")

        administrator.post(
            f"{USERS}{user.pk}/change/",
            {"username": user.username, "first_name": "Ada", "last_name": "", "email": ""},
        )

        entry = Activity.objects.get()
        assert entry.event == "user.updated"
        assert entry.payload == {"before": {"first_name": "Grace"}, "after": {"first_name": "Ada"}}
        assert entry.actor_id == str(administrator.user.pk)

    def test_records_nothing_where_nothing_changed(self, administrator):
        user = a_user(Role.READ_ONLY)

        administrator.post(
            f"{USERS}{user.pk}/change/",
            {"username": user.username, "first_name": "", "last_name": "", "email": ""},
        )

        assert not Activity.objects.exists()


@pytest.mark.django_db
class TestCheck:
    def test_finds_a_permission_that_nobody_declares(self):
        class Mistaken(WorkspaceAdmin):
            @button("Fly", permission="workspace.fly_user")
            def fly(self, user, actor, now):
                return "Gone."

        errors = Mistaken(User, admin.site).check()

        assert [error.id for error in errors] == ["workspace.E002"]

    def test_is_content_with_all_screens(self):
        assert [error for screen in admin.site._registry.values() for error in screen.check()] == []


class TestLabelledInputs:
    def test_names_each_input_for_screen_readers(self, rf):
        class Screen(LabelledInputs, WorkspaceAdmin):
            pass

        screen = Screen(ApiKey, admin.site)

        field = screen.formfield_for_dbfield(ApiKey._meta.get_field("name"), rf.get("/"))

        assert field is not None
        assert field.widget.attrs["aria-label"] == "Name"
