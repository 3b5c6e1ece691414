"""Migrate the subscriptions of a list, as it is filtered, to the latest versions (R10, R12)."""

from collections import Counter, defaultdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from subscriptions import impacts, rollout
from subscriptions.admin.impacts import AT_ONCE
from subscriptions.models import ImpactOutcome, RolloutRun
from subscriptions.models.subscriptions import SubscriptionQuerySet
from workspace.actors import Actor
from workspace.admin.base import DialogForm, DialogPage
from workspace.admin.pages import model_url
from workspace.errors import Conflict
from workspace.templatetags.stipend import credits as in_digits


class ListChanged(Conflict):
    """The list holds others than were looked at."""


class MigrateListedForm(DialogForm):
    """When to migrate them."""

    when = forms.ChoiceField(
        choices=[("now", "Now"), ("period_end", "At the end of each billing period")],
        initial="now",
        widget=forms.RadioSelect,
    )
    reviewed = forms.IntegerField(widget=forms.HiddenInput)


class MigrateListed(DialogPage):
    """Says whom the filter finds and what migrating them would do, then leaves it to the worker."""

    name = "migrate_listed"
    title = "Migrate to latest"
    permission = "subscriptions.begin_rolloutrun"
    confirm_label = "Migrate"
    is_about_one = False
    is_dangerous = True
    form_class = MigrateListedForm
    template_name = "admin/subscriptions/migrate_listed.html"
    question = (
        "The subscriptions that the list shows with its filter move to the latest versions of what "
        "they have, and to their prices. The worker moves them, with a result for each."
    )
    listed: SubscriptionQuerySet

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Find whom the list would show."""
        try:
            found = self.model_admin.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(self.model_admin.list_url())
        self.listed = found.order_by()
        return super().dispatch(request, *args, **kwargs)

    def own_back_url(self) -> str:
        """To the list, filtered as it was; after acting, to the rollouts."""
        query = self.request.GET.urlencode()
        return f"{self.model_admin.list_url()}?{query}" if query else self.model_admin.list_url()

    def done(self, sentence: str) -> HttpResponse:
        """On to the rollouts."""
        super().done(sentence)
        return HttpResponseRedirect(model_url(RolloutRun, "changelist"))

    def initial(self) -> dict[str, Any]:
        """How many were looked at."""
        return {"reviewed": self._running().count()}

    def content(self) -> dict[str, Any]:
        """Who stands where, and what would happen to them; worked out here where they are few."""
        rows = self._running()
        standing = (
            rows.order_by()
            .values_list("plan_version__name", "plan_version__number", "plan__live__number")
            .annotate(number=Count("pk", distinct=True))
            .order_by("plan_version__name", "plan_version__number")
        )
        versions = [
            (f"{name} v{own} → v{live}", f"{in_digits(number)} subscriptions")
            for name, own, live, number in standing
        ]
        total = rows.count()
        if total > AT_ONCE:
            return {"versions": versions, "total": total, "most": AT_ONCE}
        found = impacts.of_migration(list(rows.select_related("plan_version")), self.now)
        outcomes = Counter(impacts.outcome_of(lines) for lines in found.values())
        granted: dict[str, Decimal] = defaultdict(Decimal)
        for lines in found.values():
            for line in lines:
                granted[line.name] += line.granted
        return {
            "versions": versions,
            "total": total,
            "outcomes": [
                (each.label, in_digits(outcomes[each])) for each in ImpactOutcome if outcomes[each]
            ],
            "granted": [
                (f"{name}, granted at once", in_digits(amount))
                for name, amount in sorted(granted.items())
                if amount
            ],
        }

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Leave it to the worker, if they are as many as were looked at."""
        if self._running().count() != form.cleaned_data["reviewed"]:
            raise ListChanged("The list changed since you looked at it. Open this page again.")
        begun = rollout.begin_migration_of(
            chosen=self.listed,
            at_period_end=form.cleaned_data["when"] == "period_end",
            actor=actor,
            now=now,
        )
        total = sum(run.total for run in begun)
        return f"{in_digits(total)} subscriptions are migrated in the background."

    def _running(self) -> SubscriptionQuerySet:
        return self.listed.not_ended(self.now)
