import pytest

from tests.builders import a_customer, a_plan
from tests.workspace.admin.conftest import words
from tests.workspace.builders import NOW, a_key
from workspace import activity
from workspace.actors import SYSTEM
from workspace.models import Activity, ApiKey, Role

LIST = "/admin/workspace/activity/"


@pytest.fixture
def entry(db):
    activity.record("plan.updated", subject=("plan", "pro"), actor=SYSTEM, now=NOW)
    return Activity.objects.get()


@pytest.mark.django_db
class TestActivityAdmin:
    def test_is_readable_by_every_role(self, entry, visit):
        for role in Role:
            assert b"Plan updated" in visit(role).get(LIST).content
            assert visit(role).get(f"{LIST}{entry.pk}/change/").status_code == 200

    def test_keeps_people_and_keys_to_administrators(self, visit):
        a_key()
        entry = Activity.objects.get()

        assert b"API key created" in visit(Role.ADMINISTRATOR).get(LIST).content
        reader = visit(Role.READ_ONLY)
        assert b"API key created" not in reader.get(LIST).content
        assert b"API key created" not in reader.get("/admin/").content
        assert reader.get(f"{LIST}{entry.pk}/change/").status_code == 302

    def test_counts_no_entries_and_no_pages(self, entry, administrator):
        page = administrator.get(LIST).text

        assert "9,999,999,999" not in page
        assert "Previous" in page

    def test_changes_for_nobody(self, entry, administrator):
        """X20."""
        for address in (f"{LIST}{entry.pk}/change/", f"{LIST}{entry.pk}/delete/", f"{LIST}add/"):
            assert administrator.post(address, {"event": "x", "post": "yes"}).status_code == 403

        assert Activity.objects.exclude(event="access.denied").get().event == "plan.updated"

    def test_finds_by_whole_words(self, entry, administrator):
        for word in ("pro", "plan.updated", entry.trace_id):
            assert b"Plan updated" in administrator.get(LIST, {"q": word}).content
        assert administrator.get(LIST, {"q": "pr"}).context["cl"].result_list.count() == 0

    def test_finds_events_by_the_words_in_which_they_are_listed(self, administrator):
        events = ["package.draft_opened", "credit_grant.balance.low", "credit_type.created"]
        for event in events:
            activity.record(event, subject=("plan", "pro"), actor=SYSTEM, now=NOW)

        for entry in Activity.objects.all():
            found = administrator.get(LIST, {"q": entry.words}).context["cl"].result_list
            assert [each.event for each in found] == [entry.event]
        for typed in ("nothing like this", "package", "many " * 50):
            assert not administrator.get(LIST, {"q": typed}).context["cl"].result_list

    def test_counts_nothing(self, entry, administrator, django_assert_num_queries):
        with django_assert_num_queries(3):  # session, person, rows
            administrator.get(LIST)


@pytest.mark.django_db
class TestSubjectPage:
    def about(self, subject) -> str:
        activity.record("something.happened", subject=subject, actor=SYSTEM, now=NOW)
        entry = Activity.objects.newest_first()[0]
        return f"{LIST}{entry.pk}/object/"

    def test_leads_to_what_an_entry_is_about(self, administrator):
        a_key()
        customer, plan, key = a_customer(), a_plan(), ApiKey.objects.get()

        for subject, address in (
            (customer, f"subscriptions/customer/{customer.pk}"),
            (plan, f"catalog/plan/{plan.pk}"),
            (key, f"workspace/apikey/{key.pk}"),
            (administrator.user, f"workspace/user/{administrator.user.pk}"),
        ):
            answer = administrator.get(self.about(subject))
            assert answer.headers["Location"] == f"/admin/{address}/change/"

    @pytest.mark.parametrize(
        "subject",
        [("catalog", "catalog"), ("customer", "gone"), ("user", "unknown"), ("user", "7" * 30)],
    )
    def test_says_where_there_is_nothing(self, administrator, subject):
        answer = administrator.get(self.about(subject), follow=True)

        assert words(answer) == ["What this is about has no page, or is not there any more."]

    def test_is_linked_where_an_object_is_named(self, administrator):
        address = self.about(a_customer())

        for page in ("/admin/", LIST):
            assert f'href="{address}"' in administrator.get(page).text
