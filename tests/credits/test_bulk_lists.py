"""Lists of customers that people paste or upload."""

from decimal import Decimal

import pytest

from credits import bulk_lists
from credits.bulk import Aim
from credits.bulk_lists import InvalidList
from subscriptions.models import Customer
from tests.builders import a_customer, a_resource
from workspace.sheets import UnreadableTable

pytestmark = pytest.mark.django_db


@pytest.fixture
def keys() -> dict[str, int]:
    return {name: a_customer(public_id=name).pk for name in ("acme", "globex", "initech")}


def aims(text: str | bytes, *, with_amounts: bool = True) -> list[Aim]:
    content = text if isinstance(text, bytes) else text.encode()
    return bulk_lists.aims_of(content, with_amounts=with_amounts)


class TestAimsOf:
    def test_reads_ids_in_their_order(self, keys):
        found = aims("globex\n\n  acme \n", with_amounts=False)

        assert found == [Aim(keys["globex"], line=1), Aim(keys["acme"], line=3)]

    @pytest.mark.parametrize(
        "text",
        [
            "Customer ID,Amount\nacme,5.5\nglobex\n",
            "customerId;credits\r\nacme;5.5\r\nglobex;\r\n",
            "\ufeffcustomer\tamount\nacme\t5.5\nglobex",
            '"customer_id","amount"\n"acme","5.5"\n"globex",""',
        ],
    )
    def test_reads_amounts_with_headings_and_marks_of_all_sorts(self, keys, text):
        assert aims(text) == [
            Aim(keys["acme"], amount=Decimal("5.5"), line=2),
            Aim(keys["globex"], line=3),
        ]

    def test_says_what_is_wrong_with_which_line(self, keys):
        text = "acme,1,a,2\nnobody\nglobex,1e5\nacme\nacme,5\ninitech,0\n=cmd|x,3\nglobex,0.1234567"

        with pytest.raises(InvalidList) as refused:
            aims(text)

        assert refused.value.message == (
            "7 lines of the list cannot be used, so nothing was taken."
        )
        assert refused.value.rows == {
            0: "Write a customer ID, and beside it at most an amount and a resource ID.",
            1: "There is no customer 'nobody'.",
            2: "Enter a number such as 5000 or 0.25.",
            4: "This is the customer of line 4 again.",
            5: "Enter an amount greater than 0.",
            6: "There is no customer '=cmd|x'.",
            7: "This is the customer of line 3 again.",
        }

    def test_reads_whose_pool_is_meant(self, keys):
        """R42: a customer may come once for each resource."""
        north = a_resource(Customer.objects.get(public_id="acme"), "north")

        found = aims("customer,amount,resource\nacme,5\nacme,7,north\nglobex,,")

        assert found == [
            Aim(keys["acme"], amount=Decimal(5), line=2),
            Aim(keys["acme"], amount=Decimal(7), line=3, resource_id=north.pk),
            Aim(keys["globex"], line=4),
        ]

    def test_knows_the_resources_of_each_customer(self, keys):
        a_resource(Customer.objects.get(public_id="acme"), "north")

        with pytest.raises(InvalidList) as refused:
            aims("acme,1,north\nglobex,1,north\nacme,,south\nacme,2,north")

        assert refused.value.rows == {
            1: "'globex' has no resource 'north'.",
            2: "'acme' has no resource 'south'.",
            3: "This is the customer of line 1 again.",
        }

    def test_takes_amounts_only_where_they_mean_something(self, keys):
        with pytest.raises(InvalidList) as refused:
            aims("acme,5", with_amounts=False)

        assert refused.value.rows == {0: "Write a customer ID and nothing else."}

    def test_knows_its_columns(self, keys):
        for column in ("Email", "Resource", "Amount,Resource,Email"):
            wrong = column.rpartition(",")[2]
            with pytest.raises(InvalidList, match=f"Line 1 names a column “{wrong}”"):
                aims(f"customer id,{column}\nacme")

    def test_shows_the_first_of_many_faults(self, keys):
        with pytest.raises(InvalidList) as refused:
            aims("\n".join(f"nobody-{number}" for number in range(2000)))

        assert refused.value.message.startswith("2,000 lines of the list cannot be used")
        assert list(refused.value.rows) == list(range(20))

    def test_refuses_a_million_lines_before_it_looks_for_them(
        self, keys, django_assert_num_queries
    ):
        with django_assert_num_queries(0), pytest.raises(InvalidList, match="larger than 8 MB"):
            aims(b"customer-1\n" * 10**6)
        with django_assert_num_queries(0), pytest.raises(InvalidList, match="more than 100,000"):
            aims("\n".join(str(number) for number in range(10**6)))

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            ("acme\nM\xfcller\n".encode("latin-1"), "Line 2 holds characters that are not UTF-8"),
            ("acme".encode("utf-16"), "This is UTF-16"),
            (b'acme\n"globex\n', "Line 2 cannot be read as CSV"),
            (b"PK\x03\x04\x00\x00", "This is no text"),
        ],
    )
    def test_refuses_what_is_no_table(self, keys, content, sentence):
        with pytest.raises(UnreadableTable, match=sentence):
            aims(content)

    def test_of_nothing_is_nobody(self):
        assert aims("") == aims("customer id\n") == []
