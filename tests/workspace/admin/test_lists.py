"""Long lists."""

import pytest

from subscriptions.models import Customer
from tests.builders import a_customer
from workspace.admin import lists
from workspace.admin.lists import BoundedPaginator


@pytest.fixture(autouse=True)
def few_are_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "FARTHEST", 3)


@pytest.mark.django_db
class TestBoundedPaginator:
    def test_counts_what_there_is(self):
        for _ in range(3):
            a_customer()

        paginator = BoundedPaginator(Customer.objects.all(), 2)

        assert (paginator.count, paginator.num_pages, paginator.has_more) == (3, 2, False)

    def test_counts_no_further_than_its_pages_lead(self):
        for _ in range(5):
            a_customer()

        paginator = BoundedPaginator(Customer.objects.all(), 2)

        assert (paginator.count, paginator.num_pages, paginator.has_more) == (3, 2, True)

    def test_counts_once(self, django_assert_num_queries):
        paginator = BoundedPaginator(Customer.objects.all(), 2)

        with django_assert_num_queries(1):
            assert paginator.count == 0
            assert not paginator.has_more


@pytest.mark.django_db
class TestLists:
    def test_say_that_there_are_more(self, administrator):
        for _ in range(4):
            a_customer()

        page = administrator.get("/admin/subscriptions/customer/").content.decode()

        assert "more than 3 customers: search or filter to find the others" in page
