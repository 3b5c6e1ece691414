import pytest

from catalog import drafts, impact, packages
from catalog.impact import ImpactLine
from tests.builders import (
    NOW,
    a_credit_type,
    a_feature,
    a_plan,
    a_published_plan,
    reloaded,
    some_credits,
)
from tests.catalog.admin.test_packages import opened, page
from tests.workspace.admin.conftest import words
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db


class TestPublishPage:
    def test_publishes_the_first_version_without_asking_for_an_audience(self, administrator):
        """R9."""
        plan = a_plan()
        address = page(plan, "publish")

        assert "audience" not in administrator.get(address).context["form"].fields
        answer = administrator.press(address, revision=str(plan.draft.revision))

        assert words(answer) == ["Version 1 of Pro is live."]
        assert reloaded(plan).live.audience == "NEW_CUSTOMERS"

    def test_shows_the_changes_by_section(self, administrator):
        """R9."""
        plan = opened(a_published_plan())
        packages.edit(package_id=plan.pk, name="Max", actor=SYSTEM, now=NOW)

        answer = administrator.get(page(plan, "publish"))

        [(section, [change])] = answer.context["sections"]
        assert (section, change.before, change.after) == ("Details", "Pro", "Max")
        assert b"cx-changed" in answer.content

    def test_wants_assent_before_it_reaches_all_customers(self, administrator):
        """R9."""
        plan = opened(a_published_plan())
        address = page(plan, "publish")

        refused = administrator.press(address, audience="ALL_CUSTOMERS")
        assert "is_acknowledged" in refused.context["form"].errors
        assert reloaded(plan).live.number == 1

        accepted = administrator.press(address, audience="ALL_CUSTOMERS", is_acknowledged="on")
        assert words(accepted) == ["Version 2 of Pro is live."]
        assert reloaded(plan).live.audience == "ALL_CUSTOMERS"

    def test_says_why_it_cannot_be_published_and_where_to_mend_it(self, administrator):
        """R11."""
        plan = a_plan(
            monthly=None, entitlements=[some_credits(a_credit_type(), linked_feature=a_feature())]
        )

        answer = administrator.get(page(plan, "publish"))

        assert [refusal["url"] for refusal in answer.context["refusals"]] == [
            f"{page(plan)}#price",
            f"{page(plan)}#entitlements",
        ]
        assert b">Publish<" not in answer.content

    def test_refuses_on_the_server_too(self, administrator):
        """R11."""
        plan = a_plan(monthly=None)

        answer = administrator.press(page(plan, "publish"))

        assert "Set a monthly" in answer.context["form"].non_field_errors()[0]
        assert reloaded(plan).live is None

    def test_refuses_what_changed_since_the_review(self, administrator):
        """R9."""
        plan = a_plan()
        packages.edit(package_id=plan.pk, name="Other", actor=SYSTEM, now=NOW)

        answer = administrator.press(page(plan, "publish"), revision=str(plan.draft.revision))

        assert "Somebody changed this draft" in answer.context["form"].non_field_errors()[0]

    def test_shows_what_other_apps_expect(self, administrator, monkeypatch):
        monkeypatch.setattr(
            impact, "_sources", [lambda draft, now: [ImpactLine("Subscriptions", for_all="12")]]
        )
        plan = opened(a_published_plan())

        answer = administrator.get(page(plan, "publish"))

        assert answer.context["impact"] == [ImpactLine("Subscriptions", "12")]
        assert b"Who is affected" in answer.content

    def test_happens_once(self, administrator):
        plan = a_plan()
        address = page(plan, "publish")
        once = administrator.get(address).context["once"]
        sent = {"once": once, "revision": plan.draft.revision}

        administrator.post(address, sent, follow=True)
        again = administrator.post(address, sent, follow=True)

        assert "no open draft" in words(again)[0]
        assert reloaded(plan).versions.count() == 1

    def test_is_gone_with_the_draft(self, administrator):
        plan = opened(a_published_plan())
        drafts.discard(package_id=plan.pk, actor=SYSTEM, now=NOW)

        answer = administrator.post(page(plan, "publish"), follow=True)

        assert "no open draft" in words(answer)[0]
        assert reloaded(plan).live.number == 1
