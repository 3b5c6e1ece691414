"""What holds for every list of the admin, whatever it lists."""

import csv
import io
from typing import Any

import pytest
from django.contrib import admin
from django.urls import reverse

from tests.builders import (
    a_credit_type,
    a_customer,
    a_feature,
    a_published_plan,
    a_subscription,
    some_credits,
    some_units,
)
from tests.workspace.admin.conftest import Visitor
from workspace.admin.base import WorkspaceAdmin
from workspace.models import Activity, Role, User

LISTS = sorted(
    {
        f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
        for model, model_admin in admin.site._registry.items()
        if isinstance(model_admin, WorkspaceAdmin)
    }
)
STRANGE = [
    {"q": "%"},
    {"q": "_"},
    {"q": "'"},
    {"q": '"'},
    {"q": "\\"},
    {"q": "\0"},
    {"q": "' OR 1=1 --"},
    {"q": "ab" * 5_000},
    {"q": "a b " * 500},
    {"q": "\U0001f600 \u202e"},
    {"o": "99"},
    {"o": "-99.1.x"},
    {"o": "nothing"},
    {"p": "1000000000"},
    {"p": "-1"},
    {"p": "x"},
    {"all": "1"},
    {"unknown": "1"},
    {"unknown__gt": "1"},
    {"password__startswith": "a"},
    {"id__in": "x"},
    {"pk": "9" * 40},
    {"status": "nonsense"},
    {"status": "\0"},
    {"type": "nonsense"},
    {"plan": "nonsense"},
    {"actor_kind__exact": "nonsense"},
    {"is_active__exact": "nonsense"},
    {"revoked_at__isempty": "nonsense"},
]


def exported(visitor: Visitor, name: str, query: str = "") -> list[list[str]]:
    """The rows of the list as a spreadsheet reads them."""
    address = reverse(name.replace("changelist", "export"))
    answer: Any = visitor.post(f"{address}?{query}")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    text = b"".join(answer.streaming_content).decode()
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.fixture
def shop(db) -> None:
    a_subscription(a_customer("Acme"), a_published_plan())


@pytest.mark.usefixtures("shop")
class TestStrangeAddresses:
    @pytest.mark.parametrize("name", LISTS)
    def test_end_at_a_page(self, administrator, name):
        address = reverse(name)

        statuses = {
            str(query)[:40]: administrator.get(address, query, follow=True).status_code
            for query in STRANGE
        }

        assert set(statuses.values()) == {200}, statuses


@pytest.mark.usefixtures("shop")
class TestColumns:
    @pytest.mark.parametrize("name", LISTS)
    def test_are_called_what_phones_can_show_as_it_is(self, administrator, name):
        """Several words are shown in the letters they have; of one word phones see to it."""
        columns = [header["text"] for header in _headers(administrator.get(reverse(name)))]

        assert [text for text in columns if " " in text and not text[0].isupper()] == []


@pytest.mark.usefixtures("shop")
class TestExports:
    @pytest.mark.parametrize("name", LISTS)
    def test_hold_the_columns_of_the_list_and_are_remembered(self, administrator, name):
        """X20."""
        rows = exported(administrator, name)

        shown = administrator.get(reverse(name))
        columns = [header["text"].strip().lower() for header in _headers(shown)]
        assert [cell.lower() for cell in rows[0]] == columns
        assert all(cell[:1].isupper() for cell in rows[0])
        entry = Activity.objects.get(event="list.exported")
        assert entry.actor_id == str(administrator.user.pk)

    @pytest.mark.parametrize("model", ["credittype", "feature"])
    def test_say_where_each_row_is_used(self, administrator, model):
        kinds = [a_credit_type("Used credits"), a_credit_type("Spare credits")]
        features = [a_feature("Used seats"), a_feature("Spare seats")]
        a_published_plan("Pro", entitlements=[some_credits(kinds[0]), some_units(features[0])])

        head, *rows = exported(administrator, f"admin:catalog_{model}_changelist")

        used_in = {row[0].split()[0]: row[head.index("Used in")] for row in rows}
        assert used_in == {"Used": "Pro", "Spare": "–"}

    @pytest.mark.parametrize("name", LISTS)
    def test_are_refused_to_those_who_may_not_see_the_list(self, visit, name):
        visitor = visit(Role.READ_ONLY)
        may_look = visitor.get(reverse(name)).status_code == 200

        answer = visitor.post(reverse(name.replace("changelist", "export")))

        assert (answer.status_code == 200) is may_look
        assert Activity.objects.filter(event="list.exported").exists() is may_look

    def test_take_strange_addresses(self, administrator):
        address = reverse("admin:subscriptions_customer_export")

        for query in STRANGE:
            answer = administrator.post(
                f"{address}?{'&'.join(f'{key}={text}' for key, text in query.items())}",
                follow=True,
            )
            assert answer.status_code == 200, query
            if answer.streaming:
                b"".join(answer.streaming_content)

    def test_follow_filter_search_and_order(self, administrator):
        for name in ("Beta", "Alpha", "Gamma"):
            a_customer(name, public_id=f"x-{name.lower()}")

        rows = exported(administrator, "admin:subscriptions_customer_changelist", "q=x&o=1")

        assert [row[0] for row in rows] == ["Name", "Alpha", "Beta", "Gamma"]
        assert Activity.objects.get(event="list.exported").payload == {
            "query": {"q": ["x"], "o": ["1"]}
        }

    def test_hold_text_without_markup_that_no_spreadsheet_runs(self, administrator):
        """X17."""
        a_customer("=1+1 <b>&amp;</b>", public_id="x-1")

        rows = exported(administrator, "admin:subscriptions_customer_changelist", "q=x-1")

        assert rows[1][:2] == ["'=1+1 <b>&amp;</b>", "x-1"]

    def test_take_as_many_queries_for_a_hundred_as_for_one(
        self, administrator, django_assert_num_queries
    ):
        name = "admin:subscriptions_customer_changelist"
        exported(administrator, name)
        for _ in range(30):
            a_customer()

        with django_assert_num_queries(7):
            assert len(exported(administrator, name)) > 30

    def test_change_nothing_when_they_are_merely_looked_at(self, administrator):
        address = reverse("admin:subscriptions_customer_export")

        assert administrator.get(address).status_code == 405
        assert not Activity.objects.filter(event="list.exported").exists()

    def test_of_people_are_shown_to_administrators_only(self, administrator, visit):
        exported(administrator, "admin:workspace_user_changelist")

        assert "List exported" not in visit(Role.READ_ONLY).get("/admin/").content.decode()
        assert User.objects.exists()


def _headers(answer) -> list:
    from django.contrib.admin.templatetags.admin_list import result_headers

    headers = list(result_headers(answer.context["cl"]))
    return [
        header
        for header in headers
        if "checkbox" not in str(header["text"]) and header["text"] != "Actions"
    ]
