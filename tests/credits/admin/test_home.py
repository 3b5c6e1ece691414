from datetime import timedelta

import pytest
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django_q.models import Task

from tests.builders import a_customer
from tests.credits.pools import START, a_pool, a_pool_of_a_plan, consumed, granted
from workspace.admin.home import Card
from workspace.models import Role

MONTH = timedelta(days=30)


@pytest.fixture(autouse=True)
def forget() -> None:
    cache.clear()


def cards(visitor) -> dict[str, Card]:
    """Those on the home page, by label."""
    return {card.label: card for card in visitor.get("/admin/").context["cards"]}


class TestCards:
    def test_say_in_words_that_all_is_well(self, visit):
        shown = cards(visit(Role.ADMINISTRATOR))

        assert {label: card.value for label, card in shown.items()} == {
            "Overdue resets": "None",
            "Last sweep": "Never",
            "Failed jobs": "None",
            "Plans in draft": "None",
            "Add-ons in draft": "None",
            "Negative balances": "None",
            "Low balances": "None",
            "Used today": "Nothing",
        }

    @pytest.mark.parametrize("what", ["get", "set"])
    def test_need_no_cache(self, visit, monkeypatch, what):
        """F15."""

        def fail(*args: object, **kwargs: object) -> None:
            raise ConnectionError

        monkeypatch.setattr(LocMemCache, what, fail)

        assert cards(visit(Role.ADMINISTRATOR))["Used today"].value == "Nothing"

    def test_lead_to_lists_of_exactly_those(self, reader, clock):
        owes = a_pool(a_customer("Owes"))
        granted(owes, 10)
        consumed(owes, 11)
        low = a_pool(a_customer("Low"))
        granted(low, 100)
        consumed(low, 80)
        a_pool_of_a_plan()
        clock(START + MONTH)

        shown = cards(reader)

        for label in ("Negative balances", "Low balances", "Overdue resets"):
            assert shown[label].value == "1", label
            answer = reader.get(shown[label].url)
            assert answer.context["cl"].result_count == 1, label
        assert "Oldest" in shown["Overdue resets"].note

    def test_tell_the_last_sweep(self, reader):
        Task.objects.create(
            id="1", name="sweep", func="credits.tasks.sweep", success=True,
            result="3 pools written, 0 set aside", started=START, stopped=START,
        )  # fmt: skip

        shown = cards(reader)["Last sweep"]

        assert (shown.value, shown.note) == ("just now", "3 pools written, 0 set aside")

    def test_add_up_what_was_granted_and_used_since_midnight(self, reader, clock):
        pool = a_pool()
        granted(pool, 500)
        consumed(pool, 20)
        tomorrow = START + timedelta(days=1)
        clock(tomorrow)
        granted(pool, 100, now=tomorrow)
        consumed(pool, "2.5", now=tomorrow)

        shown = cards(reader)[f"{pool.credit_type.name} used today"]

        assert shown.value == "2.5"
        assert shown.note.startswith("100 granted, today in UTC until ")

    def test_show_jobs_to_administrators_only(self, reader):
        assert "Failed jobs" not in cards(reader)

    def test_take_as_many_queries_for_many_as_for_one(self, reader, django_assert_num_queries):
        owing = a_pool()
        granted(owing, 10)
        consumed(owing, 11)
        cards(reader)
        with django_assert_num_queries(8):
            cards(reader)
        for _ in range(5):
            pool = a_pool()
            granted(pool, 10)
            consumed(pool, 11)

        with django_assert_num_queries(8):
            cards(reader)
