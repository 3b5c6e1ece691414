import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from catalog.models import Package
from catalog.transfer import exporting
from tests.builders import a_credit_type, a_published_plan, reloaded, some_credits
from tests.workspace.admin.conftest import words
from workspace.models import Activity, Role

pytestmark = pytest.mark.django_db

TRANSFER = reverse("admin:catalog_product_transfer")
IMPORT = reverse("admin:catalog_product_import")


def a_file(text):
    return SimpleUploadedFile("catalog.yaml", text.encode())


def reviewed(visitor, text, audience=""):
    """The page that shows what a file changes."""
    return visitor.post(IMPORT, {"file": a_file(text), "audience": audience})


def confirmed(visitor, answer, **changed):
    """The answer to pressing Import there."""
    form = answer.context["form"]
    fields = {name: form[name].value() or "" for name in ("audience", "reviewed", "fingerprint")}
    sent = {"once": answer.context["once"], **fields, **changed}
    return visitor.post(IMPORT, sent, follow=True)


class TestTransferPage:
    def test_hands_out_the_catalog_as_a_file_and_remembers_to_whom(self, administrator):
        """X20."""
        a_published_plan(entitlements=[some_credits(a_credit_type())])

        answer = administrator.post(TRANSFER, {"content": "live"})

        assert answer.content.decode() == exporting.export()
        assert answer["Content-Disposition"].startswith('attachment; filename="catalog-')
        assert Activity.objects.get(event="catalog.exported").actor_id == str(administrator.user.pk)

    def test_offers_the_import_to_those_who_may_publish(self, visit):
        """X9."""
        assert IMPORT in visit(Role.PRODUCT_MANAGER).get(TRANSFER).content.decode()
        support = visit(Role.CUSTOMER_SUPPORT)
        assert IMPORT not in support.get(TRANSFER).content.decode()
        assert support.get(IMPORT).status_code == 403
        assert reviewed(support, exporting.export()).status_code == 403


class TestImportPage:
    def test_shows_the_difference_before_anything_is_written(self, administrator):
        plan = a_published_plan(entitlements=[some_credits(a_credit_type())])

        answer = reviewed(administrator, exporting.export().replace("5000", "6000"))

        [(_, [change])] = answer.context["sections"]
        assert (change.before, change.after) == ("5000", "6000")
        assert b"cx-changed" in answer.content
        assert b"Going to be written: 1 draft." in answer.content
        assert reloaded(plan).draft is None

    def test_writes_what_was_reviewed_once(self, administrator):
        plan = a_published_plan(entitlements=[some_credits(a_credit_type())])
        page = reviewed(administrator, exporting.export().replace("5000", "6000"), "NEW_CUSTOMERS")

        answer = confirmed(administrator, page)
        again = confirmed(administrator, page)

        assert words(answer) == ["The file is imported: 1 draft, 1 published version."]
        assert reloaded(plan).live.number == 2
        assert words(again)[0].startswith("This was done before:")
        assert reloaded(plan).live.number == 2

    def test_writes_nothing_when_the_catalog_changed_meanwhile(self, administrator):
        plan = a_published_plan(entitlements=[some_credits(a_credit_type())])
        page = reviewed(administrator, exporting.export().replace("5000", "6000"))
        a_published_plan()

        answer = confirmed(administrator, page)

        assert "The catalog changed since you looked" in answer.content.decode()
        assert reloaded(plan).draft is None

    @pytest.mark.parametrize(
        ("sent", "message"),
        [
            ({}, "Choose a file that is not empty."),
            ({"file": a_file("stipend_catalog: 1\nplan: []\n")}, "Line 2: There is no field"),
            ({"file": a_file("x" * 3_000_000)}, "The file is larger than 1,024 KB."),
            ({"file": a_file("a: &a [*a]")}, "Line 1: Anchors"),
            ({"reviewed": "%%%"}, "Choose the file again."),
            ({"reviewed": "YTogMQ==", "fingerprint": "x"}, "Line 1: There is no field"),
            ({"file": a_file("stipend_catalog: 1"), "audience": "NOBODY"}, "not one of the"),
        ],
    )
    def test_says_what_is_wrong_with_a_file(self, administrator, sent, message):
        answer = administrator.post(IMPORT, {"audience": "", **sent})

        assert answer.status_code == 200
        assert message in answer.content.decode()
        assert not Package.objects.exists()
