"""Customers are found by the beginnings of words."""

import importlib

import pytest
from django.apps import apps

from subscriptions import customer_imports, customers, searching
from subscriptions.customer_imports import Arrival
from subscriptions.models import Customer, CustomerWord
from subscriptions.searching import plain, words_of
from tests.builders import NOW, a_customer
from workspace.actors import SYSTEM
from workspace.errors import DomainError


def found(text: str) -> set[str]:
    """The ids of those who are found."""
    rows = Customer.objects.filter(pk__in=searching.find(text))
    return set(rows.values_list("public_id", flat=True))


class TestPlain:
    @pytest.mark.parametrize(
        ("text", "letters"),
        [
            ("Acme Café", "acme cafe"),
            ("  Smith-Jones & Söhne, Ltd. ", "smith jones sohne ltd"),
            ("jane.doe+test@acme.example", "jane doe test acme example"),
            ("under_score|pipe", "under score pipe"),
            ("Straße", "strasse"),
            ("Ørsted Łódź Ægir İstanbul", "orsted lodz aegir istanbul"),
            ("ﬁne ① ²", "fine 1 2"),
            ("100%", "100"),
            ("株式会社", "株式会社"),
            ("% _ ' \" \\", ""),
            ("", ""),
        ],
    )
    def test_leaves_letters_and_digits(self, text: str, letters: str):
        assert plain(text) == letters


class TestWordsOf:
    def test_begin_at_each_word_and_go_on_to_the_end(self):
        customer = Customer(public_id="cus_9-B", name="Acme North", email="ann@acme.example")

        assert words_of(customer) == {
            "acme north", "north", "cus 9 b", "9 b", "b",
            "ann acme example", "acme example", "example",
        }  # fmt: skip

    def test_are_none_where_there_is_nothing(self):
        assert words_of(Customer(public_id="a", name="", email="")) == {"a"}

    def test_are_cut_where_the_column_ends(self):
        customer = Customer(public_id="a", name="x" * 100)

        assert words_of(customer) == {"x" * 64, "a"}


@pytest.mark.django_db
class TestFind:
    @pytest.fixture(autouse=True)
    def acme(self) -> Customer:
        a_customer("Other", public_id="other", email="o@elsewhere.example")
        return a_customer(
            "Acme Café-Betriebe", public_id="cus_42.b", email="jane.doe@acme-group.example"
        )

    @pytest.mark.parametrize(
        "text",
        [
            "acme",
            "ACME",
            "caf",
            "café",
            "CAFE",
            "betr",
            "cafe betr",
            "betr acme",
            "café-betr",
            "cus_42.b",
            "cus_42",
            "42",
            "b",
            "jane.doe@acme-group.example",
            "jane doe",
            "doe@acme",
            "acme-group.example",
            "group",
            "@acme",
            "“acme”",
            "acme% _",
            "acme jane 42 cafe",
        ],
    )
    def test_finds_by_the_beginning_of_every_word(self, text: str):
        assert found(text) == {"cus_42.b"}

    @pytest.mark.parametrize(
        "text",
        [
            "cme",
            "acme other",
            "acme nobody",
            "betriebe-acme",
            "%",
            "_",
            "'",
            '"',
            "\\",
            "a' OR '1'='1",
            "x" * 10_000,
            "\U0010ffff",
        ],
    )
    def test_finds_nobody_else(self, text: str):
        assert found(text) == set()

    def test_takes_as_many_queries_as_words_however_often_they_stand_there(
        self, django_assert_num_queries
    ):
        with django_assert_num_queries(1):
            assert searching.find("acme " * 5_000)
        with django_assert_num_queries(3):
            assert searching.find("acme jane " * 5_000)

    def test_finds_no_more_than_it_is_asked_for(self):
        for number in range(5):
            a_customer("Acme", public_id=f"z{number}")

        assert len(searching.find("acme", at_most=3)) == 3

    def test_puts_those_first_whose_word_is_exactly_that(self, acme):
        exact = a_customer("Acm", public_id="z")

        assert searching.find("acm") == [exact.pk, acme.pk]

    def test_finds_words_longer_than_the_column(self):
        a_customer("y" * 200, public_id="long")

        assert found("y" * 70) == {"long"}


@pytest.mark.django_db
class TestWriters:
    def test_follow_a_change(self):
        a_customer("Acme", public_id="acme", email="a@old.example")

        customers.update(
            customer_id="acme", name="Zenith", email="a@new.example", actor=SYSTEM, now=NOW
        )

        assert found("zenith") == found("new.example") == found("acme") == {"acme"}
        assert found("old.example") == set()

    def test_leave_words_alone_when_something_else_changes(self):
        customer = a_customer("Acme", public_id="acme")
        before = set(CustomerWord.objects.values_list("word", "customer"))

        customers.update(customer_id="acme", language="en", actor=SYSTEM, now=NOW)

        assert set(CustomerWord.objects.values_list("word", "customer")) == before
        assert before == {("acme", customer.pk)}

    def test_store_nothing_for_a_customer_who_is_refused(self):
        a_customer(public_id="acme")
        before = CustomerWord.objects.count()

        with pytest.raises(DomainError):
            a_customer("Twin", public_id="acme")

        assert CustomerWord.objects.count() == before

    def test_follow_an_import(self):
        a_customer("Known", public_id="known")

        customer_imports.bring_in(
            arrivals=[
                Arrival(public_id="known", name="Renamed", email=""),
                Arrival(public_id="new", name="Brand New", email="n@new.example"),
            ],
            actor=SYSTEM,
            now=NOW,
        )

        assert found("renamed") == {"known"}
        assert found("brand") == {"new"}

    def test_leave_every_customer_with_the_words_of_today(self):
        for name in ("Acme", "Zenith", ""):
            a_customer(name, public_id=f"id-{name}1")

        for customer in Customer.objects.all():
            stored = customer.words.values_list("word", flat=True)
            assert set(stored) == words_of(customer)


@pytest.mark.django_db
class TestMigration:
    def test_finds_the_words_of_those_who_are_there(self):
        for number in range(5):
            a_customer(f"Acme {number}")
        before = set(CustomerWord.objects.values_list("word", "customer"))
        CustomerWord.objects.all().delete()
        migration = importlib.import_module("subscriptions.migrations.0009_customer_search")

        migration.find_words(apps, None)

        assert set(CustomerWord.objects.values_list("word", "customer")) == before
