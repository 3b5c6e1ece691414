from datetime import timedelta

import pytest
from django import forms

from tests.workspace.admin.conftest import words
from tests.workspace.builders import NOW, a_key, a_user
from workspace import activity, roles
from workspace.actors import SYSTEM, for_user
from workspace.admin.pages import DialogForm
from workspace.models import Activity, IdempotentAnswer, Role, User

LIST = "/admin/workspace/user/"


def button_page(user, name="deactivate"):
    return f"{LIST}{user.pk}/{name}/"


@pytest.mark.django_db
class TestButtonPage:
    def test_asks_and_changes_nothing_on_get(self, administrator):
        """X15."""
        user = a_user(Role.READ_ONLY)

        answer = administrator.get(button_page(user))

        assert answer.status_code == 200
        assert b"signed out with their next click" in answer.content
        assert User.objects.get(pk=user.pk).is_active
        assert not Activity.objects.exists()

    def test_acts_on_post_and_says_so(self, administrator):
        user = a_user(Role.READ_ONLY, first_name="Grace", last_name="Hopper")

        answer = administrator.press(button_page(user))

        assert words(answer) == ["Grace Hopper is deactivated."]
        assert answer.redirect_chain == [(f"{LIST}{user.pk}/change/", 302)]
        assert not User.objects.get(pk=user.pk).is_active
        assert Activity.objects.get().actor == for_user(administrator.user)

    @pytest.mark.parametrize("role", [Role.PRODUCT_MANAGER, Role.CUSTOMER_SUPPORT, Role.READ_ONLY])
    def test_is_forbidden_without_the_permission(self, visit, role):
        """X9: on the server, for both methods."""
        user, visitor = a_user(Role.READ_ONLY), visit(role)

        assert visitor.get(button_page(user)).status_code == 403
        assert visitor.post(button_page(user)).status_code == 403
        assert User.objects.get(pk=user.pk).is_active

    def test_sends_strangers_to_the_sign_in(self, client):
        user = a_user(Role.READ_ONLY)

        answer = client.post(button_page(user))

        assert answer.status_code == 302
        assert answer["Location"].startswith("/admin/login/")
        assert User.objects.get(pk=user.pk).is_active

    def test_needs_the_token_of_the_page(self, administrator):
        """X15."""
        user = a_user(Role.READ_ONLY)
        administrator.handler.enforce_csrf_checks = True

        assert administrator.post(button_page(user)).status_code == 403
        assert User.objects.get(pk=user.pk).is_active

    def test_says_when_the_object_is_gone(self, administrator):
        answer = administrator.get(f"{LIST}999/deactivate/", follow=True)

        assert words(answer) == ["This user does not exist any more."]
        assert answer.redirect_chain == [(LIST, 302)]

    def test_says_when_it_is_not_possible_now(self, administrator):
        user = a_user(Role.READ_ONLY, is_active=False)

        answer = administrator.get(button_page(user), follow=True)

        assert words(answer) == [f"“Deactivate” is not possible for {user.username} now."]

    def test_shows_a_refusal_in_the_form(self, administrator):
        """A page that became stale: somebody else was faster."""
        user = a_user(Role.READ_ONLY)
        asked = administrator.get(button_page(user))
        roles.deactivate(user_id=user.pk, actor=SYSTEM, now=NOW)

        answer = administrator.post(button_page(user), {"once": asked.context["once"]})

        assert answer.status_code == 200
        assert f"{user} is deactivated already." in answer.content.decode()
        assert Activity.objects.count() == 1
        assert not IdempotentAnswer.objects.exists()

    def test_still_explains_itself_after_a_refusal(self, administrator):
        user = a_user(Role.READ_ONLY)
        page = button_page(user, "change-role")
        asked = administrator.get(page)

        refused = administrator.post(page, {"once": asked.context["once"], "role": "READ_ONLY"})

        assert refused.context["form"].errors
        assert refused.context["question"] == asked.context["question"] != ""
        assert refused.context["form"]["role"].value() == "READ_ONLY"

    def test_shows_a_refusal_beside_its_field(self, administrator):
        user = a_user(Role.READ_ONLY)

        answer = administrator.press(button_page(user, "change-role"), role="READ_ONLY")

        assert answer.context["form"].errors == {"role": [f"{user} is Read-only already."]}

    def test_shows_what_the_form_refuses(self, administrator):
        user = a_user(Role.READ_ONLY)

        for role in ("", "KING", "\0"):
            answer = administrator.press(button_page(user, "change-role"), role=role)
            assert list(answer.context["form"].errors) == ["role"]

        assert User.objects.get(pk=user.pk).role == Role.READ_ONLY

    def test_takes_effect_once_for_a_double_click(self, administrator):
        user = a_user(Role.READ_ONLY)
        page = button_page(user, "change-role")
        sent = {"once": administrator.get(page).context["once"], "role": "CUSTOMER_SUPPORT"}

        administrator.post(page, sent)
        roles.assign(user_id=user.pk, role=Role.READ_ONLY, actor=SYSTEM, now=NOW)
        again = administrator.post(page, sent, follow=True)

        assert words(again)[-1] == f"This was done before: {user} is Customer support now."
        assert User.objects.get(pk=user.pk).role == Role.READ_ONLY

    def test_refuses_another_content_on_the_same_page(self, administrator):
        """Back, change, and send again."""
        user = a_user(Role.READ_ONLY)
        page = button_page(user, "change-role")
        once = administrator.get(page).context["once"]

        administrator.post(page, {"once": once, "role": "CUSTOMER_SUPPORT"})
        answer = administrator.post(page, {"once": once, "role": "ADMINISTRATOR"})

        assert "This page was used before." in answer.content.decode()
        assert User.objects.get(pk=user.pk).role == Role.CUSTOMER_SUPPORT

    def test_refuses_a_made_up_token(self, administrator):
        user = a_user(Role.READ_ONLY)

        answer = administrator.post(button_page(user), {"once": "x" * 300})

        assert answer.status_code == 200
        assert User.objects.get(pk=user.pk).is_active

    def test_leads_back_to_where_one_came_from(self, administrator):
        user = a_user(Role.READ_ONLY)

        answer = administrator.press(button_page(user), next=f"{LIST}?q=x")

        assert answer.redirect_chain == [(f"{LIST}?q=x", 302)]

    @pytest.mark.parametrize(
        "next_url", ["https://evil.example/", "//evil.example", "javascript:1"]
    )
    def test_leads_nowhere_else(self, administrator, next_url):
        user = a_user(Role.READ_ONLY)

        answer = administrator.press(button_page(user), next=next_url)

        assert answer.redirect_chain == [(f"{LIST}{user.pk}/change/", 302)]


@pytest.mark.django_db
class TestActivityPage:
    def test_shows_what_happened_newest_first(self, administrator):
        user = a_user(Role.READ_ONLY)
        for number in range(25):
            activity.record(
                f"event.{number:02}",
                subject=user,
                actor=SYSTEM,
                now=NOW + timedelta(seconds=number),
                payload={"reason": "<script>alert(1)</script>"},
            )

        first = administrator.get(f"{LIST}{user.pk}/activity/")
        older = administrator.get(f"{LIST}{user.pk}/activity/?after={first.context['older']}")

        events = [entry.event for entry in first.context["entries"]]
        assert events == [f"event.{number:02}" for number in range(24, 4, -1)]
        assert [entry.event for entry in older.context["entries"]][-1] == "event.00"
        assert older.context["newer"]
        assert b"<script>alert" not in first.content

    def test_begins_at_the_beginning_when_the_address_is_nonsense(self, administrator):
        activity.record(
            "event", subject=("user", str(administrator.user.pk)), actor=SYSTEM, now=NOW
        )

        answer = administrator.get(f"{LIST}{administrator.user.pk}/activity/?after=nonsense")

        assert len(answer.context["entries"]) == 1

    def test_says_when_there_is_nothing(self, administrator):
        answer = administrator.get(f"{LIST}{administrator.user.pk}/activity/")

        assert b"Nothing has happened yet" in answer.content

    def test_costs_a_fixed_number_of_statements(self, administrator, django_assert_num_queries):
        user = a_user(Role.READ_ONLY)
        for number in range(20):
            activity.record(f"e{number}", subject=user, actor=SYSTEM, now=NOW)

        with django_assert_num_queries(4):  # session, person, object, entries
            administrator.get(f"{LIST}{user.pk}/activity/")

    def test_is_forbidden_with_the_object(self, visit):
        """X9."""
        key = a_key().key

        assert (
            visit(Role.READ_ONLY).get(f"/admin/workspace/apikey/{key.pk}/activity/").status_code
            == 403
        )


class TestDialogForm:
    def test_dresses_every_kind_of_field(self):
        class Everything(DialogForm):
            text = forms.CharField()
            long_text = forms.CharField(widget=forms.Textarea)
            choice = forms.ChoiceField(choices=[("a", "A")])
            choices = forms.MultipleChoiceField(choices=[("a", "A")])
            radio = forms.ChoiceField(choices=[("a", "A")], widget=forms.RadioSelect)
            switch = forms.BooleanField()
            day = forms.DateField()
            at = forms.DateTimeField()
            hidden = forms.CharField(widget=forms.HiddenInput)

        shown = str(Everything(initial={"at": NOW, "day": NOW}))

        assert 'type="datetime-local" name="at" value="2026-10-01T10:00"' in shown
        assert 'type="date" name="day" value="2026-10-01"' in shown
        assert shown.count('class="') >= 8
