import csv
import io
from datetime import timedelta

import pytest
from django.urls import reverse

from subscriptions import impacts, rollout, tasks
from subscriptions.admin import impacts as screens
from subscriptions.models import ImpactReport, RolloutRun
from tests.builders import (
    NOW,
    a_customer,
    a_new_version,
    a_plan,
    a_published_plan,
    a_subscription,
    reloaded,
)
from tests.subscriptions.test_impacts import a_report, a_shop, edited
from tests.workspace.admin.conftest import administrator, visit, words
from workspace.actors import SYSTEM
from workspace.models import Role

__all__ = ["administrator", "visit"]

pytestmark = pytest.mark.django_db

BEGIN = reverse("admin:subscriptions_impactreport_begin")


def page(report, name="change"):
    return reverse(f"admin:subscriptions_impactreport_{name}", args=[report.pk])


def publish_page(plan):
    return reverse("admin:catalog_plan_publish", args=[plan.pk])


class TestBeginPreview:
    def test_works_out_what_is_small_while_one_waits(self, administrator):
        plan, _, credit_type = a_shop()
        a_subscription(plan=plan)
        edited(plan, credit_type, 6000)

        answer = administrator.press(f"{BEGIN}?package={plan.pk}")

        report = ImpactReport.objects.get()
        assert words(answer) == ["The preview is ready."]
        assert answer.redirect_chain[-1][0] == page(report)
        assert report.status == "COMPLETED"

    def test_leaves_what_is_large_to_the_worker(self, administrator, monkeypatch):
        monkeypatch.setattr(screens, "AT_ONCE", 0)
        plan, _, credit_type = a_shop()
        a_subscription(plan=plan)
        edited(plan, credit_type, 6000)

        answer = administrator.press(f"{BEGIN}?package={plan.pk}")

        assert words(answer) == ["The preview is being worked out in the background."]
        assert b"0 of 1 subscriptions are looked at" in answer.content
        tasks.preview_impacts(NOW + timedelta(days=1))
        assert ImpactReport.objects.get().status == "COMPLETED"

    def test_says_what_stands_in_the_way(self, administrator):
        answer = administrator.press(f"{BEGIN}?package={a_plan().pk}")

        assert b"was never published, so nobody has it." in answer.content
        assert not ImpactReport.objects.exists()

    @pytest.mark.parametrize("package", ["", "0", "x", "9" * 30])
    def test_leads_back_from_a_package_that_is_not_there(self, administrator, package):
        assert administrator.get(f"{BEGIN}?package={package}").status_code == 302
        assert administrator.post(f"{BEGIN}?package={package}").status_code == 302

    def test_is_for_those_who_may_move_subscriptions(self, visit):
        """X9."""
        assert visit(Role.READ_ONLY).get(BEGIN).status_code == 403


class TestReportPage:
    @pytest.fixture
    def report(self):
        plan, _, credit_type = a_shop()
        for name in ("Acme", "Beta"):
            a_subscription(a_customer(name, public_id=name.lower()), plan=plan)
        edited(plan, credit_type, 6000)
        return a_report(plan)

    def test_shows_each_customer_before_and_after(self, administrator, report):
        shown = administrator.get(page(report)).context

        assert ("Gains now", "2") in shown["cards"]
        assert shown["granted"] == [("AI Credits", "2,000")]
        row = shown["rows"][0]
        assert (row["customer"], row["outcome"]) == ("Beta", "Gains now")
        assert row["effects"] == [
            {
                "name": "AI Credits",
                "granted": "+1,000",
                "balance_before": "5,000",
                "balance_after": "6,000",
                "recurring_before": "5,000 / month",
                "recurring_after": "6,000 / month",
            }
        ]
        assert [each["customer"] for each in shown["gaining"]] == ["Acme", "Beta"]
        assert shown["losing"] == []

    @pytest.mark.parametrize(
        ("filters", "customers"),
        [
            ("outcome=GAINS_NOW", ["Beta", "Acme"]),
            ("outcome=LOSES_AT_RESET", []),
            ("outcome=nonsense", ["Beta", "Acme"]),
            ("q=acm", ["Acme"]),
            ("q=beta", ["Beta"]),
            ("q=%25", []),
            ("q=%00", ["Beta", "Acme"]),
            ("after=nonsense", ["Beta", "Acme"]),
        ],
    )
    def test_is_filtered(self, administrator, report, filters, customers):
        answer = administrator.get(f"{page(report)}?{filters}")

        assert [row["customer"] for row in answer.context["rows"]] == customers

    def test_takes_a_constant_number_of_queries(
        self, administrator, report, django_assert_max_num_queries
    ):
        with django_assert_max_num_queries(16):
            administrator.get(page(report))

    def test_is_there_for_everybody_who_may_look(self, visit, report):
        assert visit(Role.READ_ONLY).get(page(report)).status_code == 200


class TestReportSheet:
    def test_holds_what_the_page_shows_in_digits_and_runs_nothing(self, administrator):
        """X17."""
        plan, _, credit_type = a_shop()
        a_subscription(a_customer("=HYPERLINK(1)", public_id="acme"), plan=plan)
        edited(plan, credit_type, "6000.5")
        report = a_report(plan)

        answer = administrator.get(f"{page(report, 'csv')}?outcome=GAINS_NOW")

        text = b"".join(answer.streaming_content).decode()
        [head, row] = csv.reader(io.StringIO(text, newline=""))
        assert head[:2] == ["Customer ID", "Customer"]
        assert row[:2] == ["acme", "'=HYPERLINK(1)"]
        assert row[3:] == [
            "Gains now",
            "ai",
            "1000.5",
            "5000",
            "6000.5",
            "5000 per month",
            "6000.5 per month",
        ]


class TestPublishPage:
    def test_leads_to_the_preview_and_is_bound_to_it(self, administrator):
        """R9."""
        plan, _, credit_type = a_shop()
        a_subscription(plan=plan)
        edited(plan, credit_type, 6000)
        begins = administrator.get(publish_page(plan))
        assert f"{BEGIN}?package={plan.pk}" in begins.content.decode()

        report = a_report(plan)
        shown = administrator.get(publish_page(plan))
        assert "1 gains now, computed " in shown.content.decode()
        form = shown.context["form"]
        administrator.press(
            publish_page(plan),
            audience="ALL_CUSTOMERS",
            is_acknowledged="on",
            **{name: str(form[name].value()) for name in ("revision", "preview_id")},
        )

        assert RolloutRun.objects.get().report == report
        assert reloaded(plan).live.number == 2

    def test_says_how_far_the_preview_is(self, administrator):
        plan, _, credit_type = a_shop()
        a_subscription(plan=plan)
        edited(plan, credit_type, 6000)
        impacts.begin(package_id=plan.pk, actor=SYSTEM, now=NOW)

        shown = administrator.get(publish_page(plan))

        assert "0 of 1 subscriptions are looked at." in shown.content.decode()
        assert not shown.context["form"]["preview_id"].value()


class TestBeginMigration:
    def test_migrates_those_of_the_chosen_versions(self, administrator):
        """R10."""
        plan = a_published_plan()
        a_subscription(plan=plan)
        a_new_version(plan, now=NOW)
        a_subscription(plan=reloaded(plan))
        address = f"{reverse('admin:subscriptions_rolloutrun_begin')}?package={plan.pk}&from=1"
        form = administrator.get(address).context["form"]
        assert form["from_numbers"].value() == ["1"]
        assert form.fields["from_numbers"].choices == [
            ("2", "Version 2: 1"),
            ("1", "Version 1: 1"),
        ]

        answer = administrator.press(address, from_numbers="1", when="period_end")

        assert words(answer) == ["1 subscriptions are migrated in the background."]
        run = RolloutRun.objects.get()
        assert (run.kind, run.from_numbers, run.at_period_end) == ("MIGRATION", [1], True)

    def test_is_for_those_who_may_move_subscriptions(self, visit):
        """X9."""
        address = reverse("admin:subscriptions_rolloutrun_begin")
        assert visit(Role.READ_ONLY).get(address).status_code == 403


class TestRolloutPage:
    def test_hands_out_every_result_as_a_table(self, reader):
        plan = a_published_plan(public_id="pro")
        subscription = a_subscription(a_customer(public_id="acme"), plan)
        a_new_version(plan, now=NOW)
        run = rollout.begin_migration(package_id=plan.pk, actor=SYSTEM, now=NOW)
        tasks.roll_out(NOW)
        page = reader.get(reverse("admin:subscriptions_rolloutrun_change", args=[run.pk]))

        answer = reader.get(page.context["csv_url"])

        head, line = answer.getvalue().decode().splitlines()
        assert head == "Subscription,Customer,Result,Granted,Remark,Time"
        assert line.startswith(f"{subscription.public_id},acme,")

    def test_shows_progress_and_offers_another_try(self, administrator):
        """R12."""
        plan = a_published_plan()
        a_subscription(plan=plan)
        a_new_version(plan, now=NOW)
        run = rollout.begin_migration(package_id=plan.pk, actor=SYSTEM, now=NOW)
        address = reverse("admin:subscriptions_rolloutrun_change", args=[run.pk])

        running = administrator.get(address)
        assert (running.context["left"], running.context["percent"]) == (1, 0)
        assert b"Migration to the latest version" in running.content

        RolloutRun.objects.update(status="FAILED", finished_at=NOW)
        retry = reverse("admin:subscriptions_rolloutrun_retry", args=[run.pk])
        assert retry in administrator.get(address).content.decode()
        refused = administrator.press(retry)
        assert b"Nothing failed" in refused.content
