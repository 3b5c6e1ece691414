import pytest

from tests.workspace.admin.conftest import words
from tests.workspace.builders import NOW, a_key
from workspace import customer_tokens, keys
from workspace.errors import Unauthenticated
from workspace.models import Activity, ApiKey, IdempotentAnswer, KeyKind, Role

LIST = "/admin/workspace/apikey/"


@pytest.mark.django_db
class TestNewKeyPage:
    def test_shows_the_key_this_one_time(self, administrator):
        """X2."""
        answer = administrator.press(f"{LIST}add/", name="Billing", kind="FULL")

        raw = answer.context["raw"]
        key = keys.authenticate(raw, NOW)
        assert (key.name, key.kind) == ("Billing", KeyKind.FULL)
        assert raw in answer.content.decode()
        assert "no-store" in answer["Cache-Control"]
        row = ApiKey.objects.get()
        for page in (LIST, f"{LIST}{row.pk}/change/", f"{LIST}{row.pk}/activity/"):
            assert raw[-49:] not in administrator.get(page).content.decode()
        assert raw[-49:] not in str(
            [*IdempotentAnswer.objects.values(), *Activity.objects.values()]
        )

    def test_makes_scoped_and_publishable_keys(self, administrator):
        """X3, X5: the secret that signs for customers is shown this one time, too."""
        answer = administrator.press(
            f"{LIST}add/", name="Meter", kind="SCOPED", scopes=["usage:write", "access:read"]
        )
        assert keys.authenticate(answer.context["raw"], NOW).scopes == {
            "usage:write",
            "access:read",
        }

        refused = administrator.press(f"{LIST}add/", name="Meter", kind="SCOPED")
        assert list(refused.context["form"].errors) == ["scopes"]

        answer = administrator.press(f"{LIST}add/", name="Browser", kind="PUBLISHABLE")
        known = keys.authenticate(answer.context["raw"], NOW)
        assert customer_tokens.secret_of(known.lookup) in answer.content.decode()
        assert ApiKey.objects.count() == 2

    def test_makes_one_key_for_a_double_click(self, administrator):
        once = administrator.get(f"{LIST}add/").context["once"]
        sent = {"once": once, "name": "Billing", "kind": "READ_ONLY"}

        administrator.post(f"{LIST}add/", sent)
        again = administrator.post(f"{LIST}add/", sent, follow=True)

        assert words(again) == ["This was done before: The API key “Billing” is ready."]
        assert ApiKey.objects.count() == 1

    @pytest.mark.parametrize(
        "name", ["", "  ", "a\0b", "a\nb\u202e", "a" * 256], ids=lambda name: repr(name)[:12]
    )
    def test_refuses_names_nobody_could_read(self, administrator, name):
        answer = administrator.press(f"{LIST}add/", name=name, kind="FULL")

        assert list(answer.context["form"].errors) == ["name"]
        assert not ApiKey.objects.exists()

    def test_shows_a_name_without_running_it(self, administrator):
        """X16."""
        name = "<script>alert(1)</script>{{ 7|add:7 }}"
        administrator.press(f"{LIST}add/", name=name, kind="FULL")

        page = administrator.get(LIST).content.decode()

        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7|add:7 }}" in page

    @pytest.mark.parametrize("role", [Role.PRODUCT_MANAGER, Role.CUSTOMER_SUPPORT, Role.READ_ONLY])
    def test_is_for_administrators(self, visit, role):
        """X9."""
        visitor = visit(role)

        assert visitor.get(LIST).status_code == 403
        assert visitor.get(f"{LIST}add/").status_code == 403
        assert visitor.post(f"{LIST}add/", {"name": "x", "kind": "FULL"}).status_code == 403
        assert not ApiKey.objects.exists()


@pytest.mark.django_db
class TestApiKeyAdmin:
    def test_revokes_a_key_at_once(self, administrator):
        """X4."""
        made = a_key()

        answer = administrator.press(f"{LIST}{made.key.pk}/revoke/")

        assert words(answer) == ["Billing service is revoked."]
        with pytest.raises(Unauthenticated):
            keys.authenticate(made.raw, NOW)

    def test_offers_nothing_for_a_revoked_key(self, administrator):
        made = a_key()
        administrator.press(f"{LIST}{made.key.pk}/revoke/")

        context = administrator.get(f"{LIST}{made.key.pk}/change/").context

        assert context["menu"] == []
        assert [badge.label for badge in context["badges"]] == ["Revoked"]

    def test_lets_nobody_change_or_delete_a_key(self, administrator):
        made = a_key()
        address = f"{LIST}{made.key.pk}/"

        assert administrator.post(f"{address}change/", {"name": "other"}).status_code == 403
        assert administrator.post(f"{address}delete/", {"post": "yes"}).status_code == 403
        assert ApiKey.objects.get().name == "Billing service"

    def test_forbids_revoking_to_others(self, visit):
        """X9."""
        made = a_key()

        for role in (Role.PRODUCT_MANAGER, Role.CUSTOMER_SUPPORT, Role.READ_ONLY):
            assert visit(role).post(f"{LIST}{made.key.pk}/revoke/").status_code == 403

        assert ApiKey.objects.get().revoked_at is None


@pytest.mark.django_db
class TestRotatePage:
    def test_shows_the_new_key_this_one_time(self, administrator):
        """X4."""
        old = a_key()
        path = f"{LIST}{old.key.pk}/rotate/"
        assert path in administrator.get(f"{LIST}{old.key.pk}/change/").content.decode()

        answer = administrator.press(path, grace="86400")

        assert answer.context["raw"] in answer.content.decode()
        assert keys.authenticate(answer.context["raw"], NOW).name == "Billing service"
        row = ApiKey.objects.get(pk=old.key.pk)
        assert row.ends_at is not None
        page = administrator.get(f"{LIST}{old.key.pk}/change/").content.decode()
        assert "Ending" in page
        assert path not in page
        assert answer.context["raw"][-49:] not in str(
            [*IdempotentAnswer.objects.values(), *Activity.objects.values()]
        )

    @pytest.mark.parametrize("role", [Role.PRODUCT_MANAGER, Role.CUSTOMER_SUPPORT, Role.READ_ONLY])
    def test_is_for_administrators(self, visit, role):
        old = a_key()

        answer = visit(role).post(f"{LIST}{old.key.pk}/rotate/", {"grace": "0"})

        assert answer.status_code == 403
        assert ApiKey.objects.get().ends_at is None
