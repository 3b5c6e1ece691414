import pytest

from catalog.archiving import archive_credit_type
from catalog.models import CreditType
from tests.builders import NOW, a_credit_type, a_published_plan, some_credits
from tests.workspace.admin.conftest import words
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

LIST = "/admin/catalog/credittype/"


class TestCreditTypeAdmin:
    def test_says_what_to_do_first(self, administrator):
        answer = administrator.get(LIST)

        assert b"No credit types yet" in answer.content
        assert b"Add credit type" in answer.content

    def test_lists_where_each_is_used(self, administrator):
        credit_type = a_credit_type()
        plan = a_published_plan("Pro", entitlements=[some_credits(credit_type)])

        page = administrator.get(LIST)

        assert f'href="/admin/catalog/plan/{plan.pk}/change/">Pro</a>' in page.text

    def test_takes_a_constant_number_of_queries(self, administrator, django_assert_max_num_queries):
        for number in range(3):
            a_published_plan(entitlements=[some_credits(a_credit_type(f"Type {number}"))])
        administrator.get(LIST)

        with django_assert_max_num_queries(12):
            assert len(administrator.get(LIST).context["cl"].result_list) == 3

        for number in range(15):
            a_published_plan(entitlements=[some_credits(a_credit_type(f"Other {number}"))])
        with django_assert_max_num_queries(12):
            assert len(administrator.get(LIST).context["cl"].result_list) == 18

    def test_hides_archived_ones_unless_asked(self, administrator):
        a_credit_type("Active")
        old = a_credit_type("Old")
        archive_credit_type(credit_type_id=old.pk, actor=SYSTEM, now=NOW)

        def shown(query: str) -> list[str]:
            rows = administrator.get(LIST + query).context["cl"].result_list
            return [row.name for row in rows]

        assert shown("") == ["Active"]
        assert shown("?status=archived") == ["Old"]
        assert shown("?status=all") == ["Active", "Old"]
        assert shown("?status=nonsense") == ["Active"]

    @pytest.mark.parametrize(
        "query", ["?q=%25", "?q=_", "?q='", "?q=" + "x" * 10_000, "?o=99.-5", "?p=1000000000"]
    )
    def test_survives_strange_addresses(self, administrator, query):
        a_credit_type()

        assert administrator.get(LIST + query, follow=True).status_code == 200


class TestAddCreditType:
    ADD = LIST + "add/"

    def test_creates_one(self, administrator):
        """R2."""
        answer = administrator.press(
            self.ADD,
            name="AI Credits",
            public_id="ai-credits",
            unit_singular="credit",
            unit_plural="credits",
        )

        assert words(answer) == ["AI Credits is created."]
        assert CreditType.objects.get().public_id == "ai-credits"

    def test_is_harmless_when_sent_twice(self, administrator):
        once = administrator.get(self.ADD).context["once"]
        sent = {"once": once, "name": "AI", "public_id": "ai"}

        answers = [administrator.post(self.ADD, sent, follow=True) for _ in range(2)]

        assert words(answers[1]) == ["This was done before: AI is created."]
        assert CreditType.objects.count() == 1

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"name": ""}, "name"),
            ({"name": "x" * 65}, "name"),
            ({"name": "a\u202eb"}, "name"),
            ({"name": "a\0b"}, "name"),
            ({"public_id": "no spaces"}, "public_id"),
            ({"public_id": "-first"}, "public_id"),
            ({"unit_singular": "credit"}, "unit_plural"),
            ({"description": "x" * 256}, "description"),
        ],
    )
    def test_says_what_is_wrong_beside_the_field(self, administrator, fields, field):
        given = {"name": "AI", "public_id": "ai", **fields}

        answer = administrator.press(self.ADD, **given)

        assert field in answer.context["form"].errors
        assert not CreditType.objects.exists()

    def test_shows_a_taken_id_beside_the_field(self, administrator):
        a_credit_type(public_id="ai")

        answer = administrator.press(self.ADD, name="AI", public_id="ai")

        assert "public_id" in answer.context["form"].errors

    def test_shows_html_as_text(self, administrator):
        """X16."""
        administrator.press(self.ADD, name="<script>alert(1)</script>", public_id="ai")

        for address in (LIST, f"{LIST}{CreditType.objects.get().pk}/change/"):
            answer = administrator.get(address)
            assert b"<script>alert(1)" not in answer.content
            assert b"&lt;script&gt;alert(1)" in answer.content


class TestEditCreditType:
    def test_changes_it(self, administrator):
        credit_type = a_credit_type()

        answer = administrator.press(f"{LIST}{credit_type.pk}/edit/", name="Tokens", symbol="T")

        assert words(answer) == ["Tokens is saved."]
        assert CreditType.objects.get().symbol == "T"


class TestArchive:
    def test_asks_for_the_name(self, administrator):
        """R3."""
        credit_type = a_credit_type("AI Credits")
        page = f"{LIST}{credit_type.pk}/archive/"

        refused = administrator.press(page, name="AI")
        assert "name" in refused.context["form"].errors
        assert CreditType.objects.get().archived_at is None

        accepted = administrator.press(page, name="AI Credits")
        assert words(accepted) == ["AI Credits is archived."]
        assert CreditType.objects.get().archived_at is not None

    def test_names_the_packages_that_use_it(self, administrator):
        """R3."""
        credit_type = a_credit_type("AI Credits")
        a_published_plan("Pro", entitlements=[some_credits(credit_type)])

        answer = administrator.press(f"{LIST}{credit_type.pk}/archive/", name="AI Credits")

        assert answer.context["form"].non_field_errors() == ["AI Credits is used by plan Pro."]

    def test_can_be_undone(self, administrator):
        credit_type = a_credit_type()
        archive_credit_type(credit_type_id=credit_type.pk, actor=SYSTEM, now=NOW)

        administrator.press(f"{LIST}{credit_type.pk}/unarchive/")

        assert CreditType.objects.get().archived_at is None
