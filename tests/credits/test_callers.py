import pytest

from credits import callers, pools
from credits.callers import Question
from subscriptions import customers
from tests.builders import NOW, a_credit_type, a_customer, a_resource
from workspace import keys
from workspace.actors import SYSTEM
from workspace.errors import Unauthenticated
from workspace.keys import KnownKey, NewKey
from workspace.models import KeyKind

pytestmark = pytest.mark.django_db


@pytest.fixture
def made() -> NewKey:
    return keys.create(name="Billing", kind=KeyKind.READ_ONLY, actor=SYSTEM, now=NOW)


def find(made: NewKey, customer_id: str, credit_type_id: str, resource_id: str | None = None):
    wanted = keys.parse(made.raw, NOW)
    return callers.find(Question(wanted, customer_id, credit_type_id, resource_id))


def opened(customer_id: str, credit_type_id: str, resource_id: str | None = None) -> int:
    """A pool as it comes about by use."""
    return pools.locate(
        customer_id=customer_id, credit_type_id=credit_type_id, resource_id=resource_id, now=NOW
    )


class TestFind:
    def test_finds_key_and_pool_in_one_statement(self, made, django_assert_num_queries):
        a_credit_type(public_id="ai")
        a_credit_type(public_id="other")
        a_resource(a_customer(public_id="acme"), "project")
        a_customer(public_id="globex")
        ids = [("acme", "ai"), ("acme", "other"), ("globex", "ai"), ("acme", "ai", "project")]
        stored = [opened(*each) for each in ids]

        with django_assert_num_queries(4):
            found = [find(made, *each) for each in ids]

        key = KnownKey(made.key.lookup, "Billing", KeyKind.READ_ONLY)
        assert found == [(key, pool_id) for pool_id in stored]

    def test_leaves_to_others_what_is_not_there_or_archived(self, made):
        credit_type = a_credit_type(public_id="ai")
        a_resource(a_customer(public_id="acme"), "project")
        a_customer(public_id="gone")
        opened("gone", "ai")
        customers.archive(customer_id="gone", actor=SYSTEM, now=NOW)
        for ids in (("acme", "ai"), ("acme", "x"), ("x", "ai"), ("gone", "ai")):
            assert find(made, *ids)[1] is None

        opened("acme", "ai")

        assert find(made, "acme", "ai")[1] is not None
        assert find(made, "acme", "ai", "project")[1] is None
        assert find(made, "acme", "ai", "x")[1] is None
        credit_type.archived_at = NOW
        credit_type.save(update_fields=["archived_at"])
        assert find(made, "acme", "ai")[1] is None

    def test_finds_nothing_for_strangers(self, made):
        keys.revoke(key_id=made.key.pk, actor=SYSTEM, now=NOW)

        with pytest.raises(Unauthenticated):
            find(made, "acme", "ai")
