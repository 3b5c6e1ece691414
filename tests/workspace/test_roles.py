from threading import Barrier, Thread

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection

from tests.workspace.builders import NOW, a_user, an_actor
from workspace import roles
from workspace.actors import SYSTEM, for_user
from workspace.models import Activity, Role, User
from workspace.roles import AlreadySo, LastAdministrator, OwnRole, UnknownUser

PERMISSIONS = {
    "catalog.view_plan",
    "catalog.publish_plan",
    "subscriptions.view_customer",
    "subscriptions.change_customer",
    "credits.view_grant",
    "credits.void_grant",
    "workspace.view_activity",
    "workspace.view_user",
    "workspace.add_apikey",
    "django_q.view_schedule",
}


@pytest.fixture
def _all_rooms(monkeypatch):
    """Permissions as they are with all apps, whichever are installed."""
    monkeypatch.setattr(roles, "known_permissions", lambda: frozenset(PERMISSIONS))
    roles.permissions_of.cache_clear()
    yield
    roles.permissions_of.cache_clear()


@pytest.mark.usefixtures("_all_rooms")
class TestPermissionsOf:
    def test_administrators_may_do_everything(self):
        assert roles.permissions_of(Role.ADMINISTRATOR) == PERMISSIONS

    @pytest.mark.parametrize(
        ("role", "allowed"),
        [
            (
                Role.PRODUCT_MANAGER,
                {
                    "catalog.view_plan",
                    "catalog.publish_plan",
                    "subscriptions.view_customer",
                    "subscriptions.change_customer",
                    "credits.view_grant",
                    "workspace.view_activity",
                },
            ),
            (
                Role.CUSTOMER_SUPPORT,
                {
                    "catalog.view_plan",
                    "subscriptions.view_customer",
                    "subscriptions.change_customer",
                    "credits.view_grant",
                    "credits.void_grant",
                    "workspace.view_activity",
                },
            ),
            (
                Role.READ_ONLY,
                {
                    "catalog.view_plan",
                    "subscriptions.view_customer",
                    "credits.view_grant",
                    "workspace.view_activity",
                },
            ),
        ],
    )
    def test_others_may_do_what_the_table_says(self, role, allowed):
        """X9: deny by default."""
        assert roles.permissions_of(role) == allowed


class TestKnownPermissions:
    def test_holds_what_models_declare(self):
        known = roles.known_permissions()

        assert {"workspace.revoke_apikey", "workspace.add_user"} <= known
        assert "workspace.change_activity" not in known
        assert "workspace.delete_user" not in known


@pytest.mark.django_db
class TestRoleBackend:
    def test_reads_permissions_from_the_role_without_asking(self, django_assert_num_queries):
        reader, administrator = a_user(Role.READ_ONLY), a_user(Role.ADMINISTRATOR)

        with django_assert_num_queries(0):
            assert reader.has_perm("workspace.view_activity")
            assert not reader.has_perm("workspace.add_apikey")
            assert administrator.has_perm("workspace.add_apikey")
            assert administrator.has_perm("workspace.add_apikey", obj=reader)
            assert administrator.has_module_perms("workspace")
            assert not reader.has_module_perms("django_q")

    def test_denies_what_nobody_declared(self):
        assert not a_user(Role.ADMINISTRATOR).has_perm("workspace.fly")

    def test_denies_everything_to_the_deactivated_and_unknown(self):
        gone = a_user(Role.ADMINISTRATOR, is_active=False)

        assert not gone.has_perm("workspace.view_activity")
        assert not AnonymousUser().has_perm("workspace.view_activity")


@pytest.mark.django_db
class TestCreateSuperuser:
    def test_makes_an_administrator(self):
        user = User.objects.create_superuser("root", password="x")

        assert user.role == Role.ADMINISTRATOR
        assert user.is_staff


@pytest.mark.django_db
class TestAssign:
    def test_gives_another_role_and_records_it(self):
        user, actor = a_user(Role.READ_ONLY), an_actor()

        roles.assign(user_id=user.pk, role=Role.CUSTOMER_SUPPORT, actor=actor, now=NOW)

        assert User.objects.get(pk=user.pk).role == Role.CUSTOMER_SUPPORT
        entry = Activity.objects.get()
        assert entry.event == "user.role_changed"
        assert entry.payload == {"before": "READ_ONLY", "after": "CUSTOMER_SUPPORT"}
        assert entry.actor == actor

    def test_refuses_ones_own(self):
        """X10."""
        user = a_user(Role.ADMINISTRATOR)
        a_user(Role.ADMINISTRATOR)

        with pytest.raises(OwnRole):
            roles.assign(user_id=user.pk, role=Role.READ_ONLY, actor=for_user(user), now=NOW)

        assert User.objects.get(pk=user.pk).role == Role.ADMINISTRATOR

    def test_refuses_to_demote_the_last_administrator(self):
        """X10. A deactivated one does not count."""
        user = a_user(Role.ADMINISTRATOR)
        a_user(Role.ADMINISTRATOR, is_active=False)

        with pytest.raises(LastAdministrator):
            roles.assign(user_id=user.pk, role=Role.READ_ONLY, actor=SYSTEM, now=NOW)

        assert User.objects.get(pk=user.pk).role == Role.ADMINISTRATOR

    def test_refuses_what_changes_nothing(self):
        user = a_user(Role.READ_ONLY)

        with pytest.raises(AlreadySo):
            roles.assign(user_id=user.pk, role=Role.READ_ONLY, actor=SYSTEM, now=NOW)

        assert not Activity.objects.exists()

    def test_refuses_people_who_do_not_exist(self):
        with pytest.raises(UnknownUser):
            roles.assign(user_id=1, role=Role.READ_ONLY, actor=SYSTEM, now=NOW)


@pytest.mark.django_db
class TestDeactivate:
    def test_lets_nobody_in_and_records_it(self):
        user, actor = a_user(Role.READ_ONLY), an_actor()

        roles.deactivate(user_id=user.pk, actor=actor, now=NOW)

        assert not User.objects.get(pk=user.pk).is_active
        assert Activity.objects.get().event == "user.deactivated"

    def test_refuses_oneself_the_last_administrator_and_twice(self):
        last, gone = a_user(Role.ADMINISTRATOR), a_user(is_active=False)

        for user, actor, error in (
            (last, for_user(last), OwnRole),
            (last, SYSTEM, LastAdministrator),
            (gone, SYSTEM, AlreadySo),
        ):
            with pytest.raises(error):
                roles.deactivate(user_id=user.pk, actor=actor, now=NOW)

        assert User.objects.get(pk=last.pk).is_active
        assert not Activity.objects.exists()


@pytest.mark.django_db
class TestReactivate:
    def test_lets_people_in_again(self):
        user = a_user(Role.READ_ONLY, is_active=False)

        roles.reactivate(user_id=user.pk, actor=an_actor(), now=NOW)

        assert User.objects.get(pk=user.pk).is_active
        assert Activity.objects.get().event == "user.reactivated"
        with pytest.raises(AlreadySo):
            roles.reactivate(user_id=user.pk, actor=an_actor(), now=NOW)


@pytest.mark.django_db(transaction=True)
class TestTwoAdministratorsAtTheSameMoment:
    def test_cannot_remove_each_other(self):
        """X10."""
        first, second = a_user(Role.ADMINISTRATOR), a_user(Role.ADMINISTRATOR)
        ready, outcomes = Barrier(2), []

        def remove(user: User, by: User) -> None:
            try:
                ready.wait()
                roles.deactivate(user_id=user.pk, actor=for_user(by), now=NOW)
                outcomes.append("removed")
            except LastAdministrator:
                outcomes.append("refused")
            finally:
                connection.close()

        threads = [
            Thread(target=remove, args=[first, second]),
            Thread(target=remove, args=[second, first]),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(outcomes) == ["refused", "removed"]
        assert User.objects.active().administrators().count() == 1
