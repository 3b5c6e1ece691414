import pytest
from django.contrib import admin
from django.contrib.auth.models import Group

from tests.workspace.admin.conftest import words
from tests.workspace.builders import a_user
from workspace.actors import for_user
from workspace.models import Activity, Role, User

LIST = "/admin/workspace/user/"
PASSWORD = "a long and winding password"


@pytest.mark.django_db
class TestUserAdmin:
    def test_lists_people_for_administrators_only(self, administrator, visit):
        """X9."""
        assert administrator.get(LIST).status_code == 200
        for role in (Role.PRODUCT_MANAGER, Role.CUSTOMER_SUPPORT, Role.READ_ONLY):
            assert visit(role).get(LIST).status_code == 403
            assert visit(role).get(f"{LIST}add/").status_code == 403

    def test_adds_a_person_who_can_sign_in(self, administrator, client):
        answer = administrator.post(
            f"{LIST}add/",
            {
                "username": "grace",
                "role": "CUSTOMER_SUPPORT",
                "password1": PASSWORD,
                "password2": PASSWORD,
            },
        )

        assert answer.status_code == 302, answer.context["errors"]
        user = User.objects.get(username="grace")
        assert user.role == Role.CUSTOMER_SUPPORT
        entry = Activity.objects.get()
        assert entry.event == "user.created"
        assert PASSWORD not in str(entry.payload)
        assert entry.actor == for_user(administrator.user)
        assert client.login(username="grace", password=PASSWORD)

    def test_takes_no_role_from_the_form_of_a_person(self, administrator):
        """X6, X10: roles change by their button."""
        user = a_user(Role.READ_ONLY)

        administrator.post(
            f"{LIST}{user.pk}/change/",
            {
                "username": user.username,
                "role": "ADMINISTRATOR",
                "is_superuser": "on",
                "is_active": "",
            },
        )

        user.refresh_from_db()
        assert (user.role, user.is_superuser, user.is_active) == (Role.READ_ONLY, False, True)

    def test_deletes_nobody(self, administrator):
        user = a_user(Role.READ_ONLY)

        assert administrator.post(f"{LIST}{user.pk}/delete/", {"post": "yes"}).status_code == 403
        assert User.objects.filter(pk=user.pk).exists()

    def test_records_a_password_that_was_set(self, administrator):
        """X20."""
        user = a_user(Role.READ_ONLY)

        administrator.post(
            f"{LIST}{user.pk}/password/",
            {"usable_password": "true", "password1": PASSWORD, "password2": PASSWORD},
        )

        assert User.objects.get(pk=user.pk).check_password(PASSWORD)
        entry = Activity.objects.get()
        assert entry.event == "user.password_set"
        assert entry.payload == {}

    def test_knows_no_groups(self):
        assert not admin.site.is_registered(Group)


@pytest.mark.django_db
class TestChangeRole:
    def test_gives_another_role(self, administrator):
        user = a_user(Role.READ_ONLY)

        answer = administrator.press(f"{LIST}{user.pk}/change-role/", role="PRODUCT_MANAGER")

        assert words(answer) == [f"{user.username} is Product manager now."]
        assert User.objects.get(pk=user.pk).role == Role.PRODUCT_MANAGER

    def test_refuses_ones_own(self, administrator):
        """X10."""
        own = administrator.user.pk

        answer = administrator.press(f"{LIST}{own}/change-role/", role="READ_ONLY")

        assert "what you yourself may do" in answer.content.decode()
        assert User.objects.get(pk=own).role == Role.ADMINISTRATOR


@pytest.mark.django_db
class TestReactivate:
    def test_lets_a_person_in_again(self, administrator):
        user = a_user(Role.READ_ONLY, is_active=False)

        answer = administrator.press(f"{LIST}{user.pk}/reactivate/")

        assert words(answer) == [f"{user.username} is active again."]
        assert User.objects.get(pk=user.pk).is_active
