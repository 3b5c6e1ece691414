"""Adjust credits balance: grant or subtract, after a look at the result (R46, R50)."""

import hashlib
import json
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from catalog import wording
from catalog.models import CreditType
from credits import adjustments, consumption, grants, pools, summaries
from credits.adjustments import Outcome
from credits.admin.forms import AdjustForm, fields_named_as_here
from credits.admin.words import units
from credits.book import PoolState
from credits.consumption import Demand
from credits.models import Grant, Pool
from subscriptions.models import Customer
from workspace.actors import Actor
from workspace.admin.base import DialogPage
from workspace.admin.pages import add_refusal
from workspace.errors import DomainError
from workspace.templatetags.stipend import credits as in_digits
from workspace.templatetags.stipend import instant


class AdjustPage(DialogPage):
    """Grant credits to any pool of a customer, or take some away, after a look at the result."""

    name = "credits"
    address = "adjust-credits"
    url_name = "adjust"
    permission = "credits.grant_credits"
    template_name = "admin/credits/adjust.html"
    form_class = AdjustForm
    confirm_label = "Adjust balance"
    object: Customer

    @property
    def title(self) -> str:
        """The heading."""
        return f"Adjust credits balance of {self.object}"

    def initial(self) -> dict[str, Any]:
        """The pool one came from."""
        return {name: self.request.GET.get(name) for name in ("credit_type", "resource")}

    def own_back_url(self) -> str:
        """The Credits tab, with the pool that was adjusted."""
        address = reverse("admin:credits_customer_credits", args=[self.object.pk])
        given = self.request.POST or self.request.GET
        pool = {name: given[name] for name in ("credit_type", "resource") if given.get(name)}
        return f"{address}?{urlencode(pool)}"

    def done(self, sentence: str) -> HttpResponse:
        """Back to the pool that was adjusted, which need not be the one one came from."""
        super().done(sentence)
        return HttpResponseRedirect(self.own_back_url())

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show what would happen; do it only when exactly that was shown before."""
        if "refresh" in request.POST or request.POST.get("previewed") != self._digest():
            return self.ask(self.get_form())
        return super().post(request, *args, **kwargs)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ask, unless there is nothing that could be granted."""
        if not CreditType.objects.exists():
            messages.warning(request, "Create a credit type first: Product Catalog → Credits.")
            return HttpResponseRedirect(self.own_back_url())
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """With the summary, once there is something to sum up."""
        context = super().get_context_data(**kwargs)
        return context | self._summary(context["form"])

    def act(self, form: AdjustForm, actor: Actor, now: datetime) -> str:
        """Grant or consume, and say what the balance is now."""
        given = form.cleaned_data
        resource = given.get("resource")
        pool_id = pools.locate(
            customer_id=self.object.public_id,
            credit_type_id=given["credit_type"].public_id,
            resource_id=resource.public_id if resource else None,
            now=now,
        )
        with fields_named_as_here():
            if form.is_grant:
                grant = grants.grant(pool_id=pool_id, gift=form.gift(), actor=actor, now=now)
                return f"{grant.name}: {self._amount(form)} {_given_when(grant, now)}"
            demand = Demand(
                amount=given["amount"],
                key=f"person:{self.request.POST.get('once') or uuid4()}",
                used_at=now,
                reason=given["reason"],
            )
            receipt = consumption.consume(pool_id=pool_id, demand=demand, actor=actor, now=now)
        balance = in_digits(receipt.standing.balance)
        return f"{self._amount(form)} subtracted. The balance is {balance} now."

    def _amount(self, form: AdjustForm) -> str:
        return units(form.cleaned_data["credit_type"], form.cleaned_data["amount"])

    def _summary(self, form: Any) -> dict[str, Any]:
        """What the form would do, if it is filled in well enough to say.

        The reason may still be missing: people see the result before they explain it.
        """
        if not form.is_bound:
            return {"outcome": None}
        if not form.errors.keys() <= {"reason"}:
            return {"outcome": None, "problem": _worst(form)}
        try:
            outcome = self._outcome(form)
        except DomainError as refusal:
            add_refusal(form, refusal)
            return {"outcome": None, "problem": refusal.message}
        return {
            "outcome": outcome,
            "is_grant": form.is_grant,
            "is_later": outcome.at > self.now,
            "awaits_payment": form.is_grant and form.gift().payment_pending,
            "units": wording.units_of(form.cleaned_data["credit_type"], outcome.balance_after),
            "change": outcome.balance_after - outcome.balance_before,
            "cost": (
                f"{in_digits(outcome.cost)} {form.cleaned_data['currency']}" if outcome.cost else ""
            ),
            "previewed": self._digest(),
        }

    def _outcome(self, form: AdjustForm) -> Outcome:
        resource = form.cleaned_data.get("resource")
        row = Pool.objects.filter(
            customer=self.object, credit_type=form.cleaned_data["credit_type"], resource=resource
        ).first()
        state = PoolState(pk=0) if row is None else summaries.on_paper(row, self.now)
        if not form.is_grant:
            return adjustments.of_subtraction(state, form.cleaned_data["amount"], now=self.now)
        with fields_named_as_here():
            return adjustments.of_grant(state, form.gift(), now=self.now)

    def _digest(self) -> str:
        """Tells whether what is confirmed is what was shown."""
        given = [(name, self.request.POST.getlist(name)) for name in AdjustForm.base_fields]
        return hashlib.sha256(json.dumps(given).encode()).hexdigest()


def _worst(form: AdjustForm) -> str:
    """The first thing that is wrong with a form, other than what is not filled in yet."""
    for errors in form.errors.as_data().values():
        for error in errors:
            if error.code != "required":
                return str(error.messages[0])
    return ""


def _given_when(grant: Grant, now: datetime) -> str:
    if grant.payment_pending:
        return "will be given when the payment is confirmed."
    if grant.effective_at > now:
        return f"will be given on {instant(grant.effective_at)}."
    return "granted."
