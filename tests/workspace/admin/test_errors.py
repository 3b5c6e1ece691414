"""What people see where a page cannot be shown."""

import pytest
from django.test import Client

from tests.workspace.builders import a_user
from workspace.models import Role

HOME = 'href="/admin/"'


@pytest.mark.django_db
class TestErrorPages:
    def test_say_that_an_address_leads_nowhere(self, administrator):
        answer = administrator.get("/admin/nothing/like/this/")

        assert answer.status_code == 404
        assert "There is no such page" in answer.text
        assert HOME in answer.text

    def test_say_that_a_role_does_not_reach(self, visit):
        answer = visit(Role.READ_ONLY).get("/admin/catalog/plan/add/")

        assert answer.status_code == 403
        assert "Your role does not allow it" in answer.text

    def test_say_that_a_form_outlived_its_sign_in(self):
        visitor = Client(enforce_csrf_checks=True)
        visitor.force_login(a_user())

        answer = visitor.post("/admin/catalog/credittype/add/", {"name": "AI Credits"})

        assert answer.status_code == 403
        assert "This page was open for too long" in answer.text

    def test_say_that_too_much_was_sent(self, administrator, settings):
        settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 1

        answer = administrator.post("/admin/catalog/credittype/add/", {"name": "x", "more": "y"})

        assert answer.status_code == 400
        assert "This cannot be understood" in answer.text

    def test_say_that_something_broke(self, administrator, monkeypatch):
        def breaks(*_: object) -> None:
            raise ValueError

        monkeypatch.setattr("catalog.admin.transfer.TransferPage.content", breaks)
        administrator.raise_request_exception = False

        answer = administrator.get("/admin/catalog/product/transfer/")

        assert answer.status_code == 500
        assert "Something went wrong" in answer.text
