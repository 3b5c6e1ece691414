from typing import Any

import pytest

from catalog import credit_types
from catalog.checking import IdTaken, InvalidField
from catalog.credit_types import UnknownCreditType
from catalog.models import CreditType
from tests.builders import NOW, a_credit_type
from workspace import activity
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db


class TestCreate:
    def test_stores_what_it_is_called_and_records_it_once(self):
        """R2."""
        created = credit_types.create(
            public_id="ai-credits",
            name="  AI Credits ",
            symbol="✦",
            unit_singular="credit",
            unit_plural="credits",
            metadata={"team": "growth"},
            actor=SYSTEM,
            now=NOW,
        )

        stored = CreditType.objects.get()
        assert stored == created
        assert (stored.name, stored.symbol, stored.metadata) == (
            "AI Credits",
            "✦",
            {"team": "growth"},
        )
        assert stored.created_at == NOW
        assert [row.event for row in activity.for_subject("credittype", "ai-credits")] == [
            "credit_type.created"
        ]

    @pytest.mark.parametrize(
        "public_id", ["", "-a", "a b", "a/b", "ä", "a" * 256, "a\n", "<script>", "a%2Fb"]
    )
    def test_refuses_an_id_that_is_none(self, public_id: str):
        """R1."""
        with pytest.raises(InvalidField) as refusal:
            credit_types.create(public_id=public_id, name="AI", actor=SYSTEM, now=NOW)

        assert refusal.value.field == "public_id"
        assert not CreditType.objects.exists()

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", ""),
            ("name", "   "),
            ("name", "x" * 65),
            ("name", "a\0b"),
            ("name", "a\u202eb"),
            ("name", "a\ud800b"),
            ("symbol", "x" * 65),
            ("description", "x" * 256),
            ("metadata", {"a": 1}),
        ],
    )
    def test_refuses_texts_that_do_not_fit(self, field: str, value: object):
        """R2."""
        fields: Any = {"name": "AI Credits", field: value}

        with pytest.raises(InvalidField) as refusal:
            credit_types.create(public_id="ai", actor=SYSTEM, now=NOW, **fields)

        assert refusal.value.field == field
        assert not CreditType.objects.exists()

    def test_wants_both_units_or_neither(self):
        """R2."""
        with pytest.raises(InvalidField, match="both units"):
            credit_types.create(
                public_id="ai", name="AI", unit_singular="credit", actor=SYSTEM, now=NOW
            )

        assert not CreditType.objects.exists()

    def test_refuses_the_id_of_an_active_one(self):
        """R1."""
        a_credit_type(public_id="ai")

        with pytest.raises(IdTaken):
            credit_types.create(public_id="ai", name="Other", actor=SYSTEM, now=NOW)

        assert CreditType.objects.count() == 1


class TestUpdate:
    def test_changes_only_what_is_given_and_records_old_and_new(self):
        credit_type = a_credit_type(public_id="ai", symbol="✦")

        credit_types.update(credit_type_id=credit_type.pk, name="Tokens", actor=SYSTEM, now=NOW)

        stored = CreditType.objects.get()
        assert (stored.name, stored.symbol) == ("Tokens", "✦")
        newest = activity.for_subject("credittype", "ai")[0]
        assert newest.event == "credit_type.updated"
        assert newest.payload == {"name": ["AI Credits", "Tokens"]}

    def test_records_nothing_when_nothing_changes(self):
        credit_type = a_credit_type(public_id="ai")

        credit_types.update(
            credit_type_id=credit_type.pk, name=credit_type.name, actor=SYSTEM, now=NOW
        )

        assert activity.for_subject("credittype", "ai").count() == 1

    def test_does_not_know_strangers(self):
        with pytest.raises(UnknownCreditType):
            credit_types.update(credit_type_id=1, name="x", actor=SYSTEM, now=NOW)
