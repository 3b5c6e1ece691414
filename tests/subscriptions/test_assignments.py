from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from catalog import archiving
from subscriptions import assignments, entities
from subscriptions.assignments import AssignmentTerms, InvalidAssignments
from subscriptions.models import Assignment, Customer, Entity
from tests.builders import (
    NOW,
    a_credit_type,
    a_customer,
    a_feature,
    a_metered_feature,
    some_entities,
)
from workspace import activity
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=1)


@pytest.fixture(autouse=True)
def acme() -> Customer:
    a_metered_feature(public_id="images")
    a_credit_type(public_id="ai")
    customer = a_customer(public_id="acme")
    some_entities(customer, "team", "eng", "ops")
    some_entities(customer, "user", "ada", "bob")
    return customer


def terms(entity_id: str = "eng", **said: Any) -> AssignmentTerms:
    """Ten images a month, unless said otherwise."""
    if "credit_type_id" not in said:
        said.setdefault("feature_id", "images")
    return AssignmentTerms(
        entity_id=entity_id, **{"usage_limit": Decimal(10), "cadence": "P1M", **said}
    )


def put(*given: AssignmentTerms, now: Any = NOW) -> list[Assignment]:
    return assignments.put(customer_id="acme", assignments=given, actor=SYSTEM, now=now)


def parents() -> dict[str, str | None]:
    return dict(Entity.objects.values_list("public_id", "parent__public_id"))


class TestPut:
    def test_stores_limits_of_features_and_credits(self):
        images, money = put(
            terms(), terms(feature_id=None, credit_type_id="ai", usage_limit=None, cadence="P30D")
        )

        assert set(Assignment.objects.all()) == {images, money}
        assert (images.usage_limit, images.cadence, images.scope) == (10, "P1M", [])
        assert (money.usage_limit, money.cadence) == (None, "P30D")
        newest = activity.for_subject("customer", "acme")[0]
        assert newest.event == "assignment.created"
        assert newest.payload["credit_type"] == "ai"

    def test_changes_what_is_said_and_leaves_the_rest(self):
        [first] = put(terms())

        [second] = put(
            AssignmentTerms(entity_id="eng", feature_id="images", usage_limit=Decimal(20)),
            now=LATER,
        )

        assert second == first
        assert (second.usage_limit, second.cadence, second.updated_at) == (20, "P1M", LATER)
        assert activity.for_subject("customer", "acme")[0].event == "assignment.updated"

    def test_records_nothing_where_nothing_changes(self):
        put(terms())
        before = activity.for_subject("customer", "acme").count()

        put(terms(), now=LATER)

        assert activity.for_subject("customer", "acme").count() == before

    def test_tells_scopes_apart_whatever_their_order(self):
        wide, narrow = put(terms(), terms(scope=["ops", "bob"], usage_limit=Decimal(3)))

        [again] = put(terms(scope=["bob", "ops", "bob"], usage_limit=Decimal(4)))

        assert again == narrow
        assert (again.scope, again.usage_limit) == (["bob", "ops"], 4)
        wide.refresh_from_db()
        assert wide.usage_limit == 10

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            (terms("nobody"), "no entity nobody"),
            (terms(scope=["nobody"]), "no entity nobody"),
            (terms(parent_id="nobody"), "no entity nobody"),
            (terms(feature_id="nothing"), "no feature nothing"),
            (terms(feature_id=None, credit_type_id="nothing"), "no active credit type"),
            (terms(credit_type_id="ai", feature_id="images"), "either featureId or currencyId"),
            (terms(feature_id=None), "either featureId or currencyId"),
            (AssignmentTerms(entity_id="ops", feature_id="images"), "needs a usageLimit"),
            (
                AssignmentTerms(entity_id="ops", feature_id="images", cadence="P1M"),
                "needs a usageLimit",
            ),
            *(
                (terms(cadence=cadence), "A cadence is")
                for cadence in ("", "P", "P1", "1M", "P0M", "P1M1D", "PT1D", "P1H", "P١M", "p1m")
            ),
            (terms(cadence="P1000Y"), "A cadence is"),
            (terms(parent_id="eng"), "beneath itself"),
        ],
    )
    def test_stores_all_or_nothing(self, wrong: AssignmentTerms, message: str):
        with pytest.raises(InvalidAssignments, match=message) as refusal:
            put(terms("ada"), wrong)

        assert list(refusal.value.rows) == [1]
        assert not Assignment.objects.exists()

    def test_refuses_what_cannot_be_measured_or_is_archived(self):
        a_feature(public_id="seats")
        old = a_credit_type(public_id="old")
        archiving.archive_credit_type(credit_type_id=old.pk, actor=SYSTEM, now=NOW)
        entities.archive(customer_id="acme", ids=["ops"], actor=SYSTEM, now=NOW)

        for wrong in (
            terms(feature_id="seats"),
            terms(feature_id=None, credit_type_id="old"),
            terms("ops"),
        ):
            with pytest.raises(InvalidAssignments):
                put(wrong)

        assert not Assignment.objects.exists()


class TestParents:
    def test_are_set_left_and_cleared(self):
        put(terms("ada", parent_id="eng"))
        assert parents()["ada"] == "eng"

        put(terms("ada"))
        assert parents()["ada"] == "eng"

        put(terms("ada", parent_id="ops"))
        assert parents()["ada"] == "ops"

        put(terms("ada", parent_id=None))
        assert parents()["ada"] is None

    def test_may_be_set_from_the_bottom_up(self):
        put(terms("ada", parent_id="eng"), terms("eng", parent_id="ops"))

        assert (parents()["ada"], parents()["eng"]) == ("eng", "ops")

    def test_are_not_changed_above_others(self):
        put(terms("eng", parent_id="ops"), terms("ada", parent_id="eng"))

        for parent_id in ("bob", None):
            with pytest.raises(InvalidAssignments, match="others beneath it"):
                put(terms("eng", parent_id=parent_id))

        assert parents()["eng"] == "ops"

    def test_never_form_a_circle(self):
        put(terms("ada", parent_id="eng"), terms("eng", parent_id="ops"))

        with pytest.raises(InvalidAssignments, match="beneath itself"):
            put(terms("ops", parent_id="ada"))
        with pytest.raises(InvalidAssignments, match="beneath itself"):
            put(terms("bob", parent_id="ada"), terms("ops", parent_id="bob"))

        assert (parents()["ops"], parents()["bob"]) == (None, None)
