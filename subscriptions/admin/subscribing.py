"""Create subscription: the form that grows with what is chosen, and its summary."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse

from catalog import wording
from catalog.models import BillingPeriod, Package, PackageVersion, Product, TrialEnd
from catalog.prices import base_prices
from subscriptions import finding, previews, provisioning
from subscriptions.admin import words
from subscriptions.admin.parts import PartsForm
from subscriptions.admin.words import PriceLine
from subscriptions.discounts import Discount
from subscriptions.models import Customer, Status
from subscriptions.previews import CreditLine, Preview
from subscriptions.provisioning import Order, Trial
from workspace.actors import Actor
from workspace.admin.base import DialogPage
from workspace.errors import DomainError
from workspace.ids import PublicIdField
from workspace.templatetags.stipend import day, instant

RESHAPES = {"data-reshapes": ""}
"""Marks an input whose change makes others come and go."""

NOW, ON_DATE = "now", "date"
AS_PLANNED, NO_TRIAL, UNTIL_DATE = "plan", "none", "date"


@dataclass(frozen=True, slots=True)
class BalanceLine:
    """What becomes of the balance of a credit type, in words."""

    name: str
    before: str
    after: str
    next_reset: str


@dataclass
class Summary:
    """What is about to be created or changed, in words. `problem` says why it cannot be.

    `rule` says what happens to credits, `balances` what that means for this customer.
    """

    facts: list[tuple[str, str]] = field(default_factory=list)
    prices: list[PriceLine] = field(default_factory=list)
    credits: list[CreditLine] = field(default_factory=list)
    rule: str = ""
    balances: list[BalanceLine] = field(default_factory=list)
    problem: str = ""
    hint: str = ""


class SubscribeForm(PartsForm):
    """A new subscription of one customer, who is the form's subject."""

    product = forms.ChoiceField(widget=forms.Select(attrs=RESHAPES))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.products = {
            str(product.pk): product
            for product in Product.objects.active()
            .filter(packages__in=Package.objects.plans().on_sale())
            .distinct()
        }
        product_field = self.fields["product"]
        assert isinstance(product_field, forms.ChoiceField)
        product_field.choices = _choices(self.products, "Choose a product")
        if len(self.products) == 1:
            product_field.initial = next(iter(self.products))
        self.chosen_product = self.products.get(str(self.raw("product") or ""))
        self.plan = self._grow_plan() if self.chosen_product else None
        if self.plan is not None and self.plan.live is not None:
            self._grow_terms(self.plan.live)

    def _grow_plan(self) -> Package | None:
        assert self.chosen_product is not None, "a product is chosen"
        on_sale = Package.objects.plans().on_sale().filter(product=self.chosen_product)
        plans = {str(plan.pk): plan for plan in on_sale.select_related("live", "product")}
        offered = forms.ChoiceField(
            label="Plan",
            choices=_choices(plans, "Choose a plan"),
            widget=forms.Select(attrs=RESHAPES),
            initial=next(iter(plans)) if len(plans) == 1 else None,
        )
        self.grow("plan", offered)
        if self.chosen_product.multiple_subscriptions:
            resource = forms.CharField(
                label="Resource ID",
                max_length=255,
                validators=PublicIdField.default_validators,
                help_text="The workspace or project inside the customer that this is for.",
            )
            self.grow("resource_id", resource)
        return plans.get(str(self.raw("plan") or ""))

    def _grow_terms(self, version: PackageVersion) -> None:
        prices = base_prices(list(version.charges.all()))
        offered = [
            (period.value, _with_price(period, prices))
            for period in BillingPeriod
            if not prices or period in prices
        ]
        period = forms.ChoiceField(
            label="Billing period",
            choices=offered,
            initial=offered[0][0],
            widget=forms.Select(attrs=RESHAPES),
        )
        self.grow("billing_period", period)
        self.grow_addons(version, str(self.raw("billing_period") or offered[0][0]), {})
        self.grow_values(version, {})
        self._grow_start()
        self._grow_trial(version)
        payment = forms.BooleanField(
            label="Wait for payment",
            required=False,
            help_text="Nothing is granted until the subscription is marked as paid.",
        )
        self.grow("payment_pending", payment)
        if coupons := words.coupon_choices():
            choices = [("", "None"), *coupons]
            self.grow("coupon", forms.ChoiceField(choices=choices, required=False))

    def _grow_start(self) -> None:
        start = forms.ChoiceField(
            label="Start",
            choices=[(NOW, "Now"), (ON_DATE, "On a date")],
            initial=NOW,
            widget=forms.Select(attrs=RESHAPES),
        )
        self.grow("start", start)
        if self.raw("start") == ON_DATE:
            help_text = "In UTC. A date in the past gives the current period's credits only."
            started_at = forms.DateTimeField(
                label="Start date", widget=forms.DateTimeInput, help_text=help_text
            )
            self.grow("started_at", started_at)

    def _grow_trial(self, version: PackageVersion) -> None:
        planned = wording.trial(version)
        trial = forms.ChoiceField(
            label="Trial",
            choices=[
                *([(AS_PLANNED, planned)] if version.trial_length else []),
                (NO_TRIAL, "No trial"),
                (UNTIL_DATE, "Until a date"),
            ],
            initial=AS_PLANNED if version.trial_length else NO_TRIAL,
            widget=forms.Select(attrs=RESHAPES),
        )
        self.grow("trial", trial)
        if self.raw("trial") == UNTIL_DATE:
            ends_at = forms.DateTimeField(
                label="Trial ends", widget=forms.DateTimeInput, help_text="In UTC."
            )
            self.grow("trial_ends_at", ends_at)
            self.grow("trial_end", forms.ChoiceField(label="Then", choices=TrialEnd.choices))

    @property
    def is_complete(self) -> bool:
        """Whether a plan is chosen, so that there is something to sum up."""
        return self.plan is not None

    @property
    def first_inputs(self) -> list[forms.BoundField]:
        """What is bought."""
        return self._inputs("product", "plan", "resource_id", "billing_period")

    @property
    def time_inputs(self) -> list[forms.BoundField]:
        """When it runs."""
        return self._inputs(
            *("start", "started_at", "trial", "trial_ends_at", "trial_end"),
            *("coupon", "payment_pending"),
        )

    def _inputs(self, *names: str) -> list[forms.BoundField]:
        return [self[name] for name in names if name in self.fields]

    def order(self) -> Order:
        """What `provisioning.start` is to be given; the form is valid."""
        assert self.plan is not None, "a valid form has a plan"
        given = self.cleaned_data
        customer: Customer = self.subject
        order: Order = {
            "customer_id": customer.public_id,
            "plan_id": self.plan.public_id,
            "addons": self.addons(),
            "billing_period": given["billing_period"],
            "resource_id": given.get("resource_id"),
            "started_at": given.get("started_at"),
            "entitlements": self.values(),
            "payment_pending": given["payment_pending"],
            "skip_trial": given["trial"] == NO_TRIAL,
        }
        if given.get("coupon"):
            order["coupon"] = Discount(given["coupon"])
        if given["trial"] == UNTIL_DATE:
            order["trial"] = Trial(given["trial_ends_at"], given["trial_end"])
        return order


class LiveDialogPage(DialogPage):
    """A dialog with a summary that follows the form, with or without scripts.

    A POST with `refresh` draws the page anew from what stands in the form, and does nothing.
    """

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if "refresh" in request.POST:
            return self.ask(self.draft_form(request.POST))
        return super().post(request, *args, **kwargs)

    def draft_form(self, sent: Mapping[str, Any]) -> forms.Form:
        """The form with what was typed so far, without complaints about it."""
        return self.form_class(initial=dict(sent.items()), subject=self.object)  # type: ignore[call-arg]

    def checked_form(self, form: forms.Form) -> forms.Form:
        """The same contents as `form`, to be validated without showing it."""
        if form.is_bound:
            return form
        contents = {bound.html_name: bound.value() for bound in form}
        sent = {name: value for name, value in contents.items() if value not in (None, False)}
        return self.form_class(sent, subject=self.object)  # type: ignore[call-arg]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        return context | {"summary": self.summary(context["form"])}

    def summary(self, form: Any) -> Summary:
        """What the form amounts to."""
        checked: Any = self.checked_form(form)
        if not checked.is_valid():
            return Summary(problem=_first_complaint(checked))
        try:
            return self.summary_of(checked)
        except DomainError as refusal:
            return Summary(problem=refusal.message)

    def summary_of(self, form: Any) -> Summary:
        """What a valid form amounts to; may raise a DomainError."""
        raise NotImplementedError


class SubscribePage(LiveDialogPage):
    """Customer → Create subscription."""

    name = "subscribe"
    title = "Create subscription"
    permission = "subscriptions.add_subscription"
    template_name = "admin/subscriptions/customer/subscribe.html"
    form_class = SubscribeForm
    confirm_label = "Create subscription"
    object: Customer

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Start it."""
        subscription = provisioning.start(**form.order(), actor=actor, now=now)
        status = subscription.status_at(now)
        if status == Status.NOT_STARTED:
            return f"{subscription.plan.name} starts on {instant(subscription.started_at)}."
        return f"{self.object} is subscribed to {subscription.plan.name}: {status.label.lower()}."

    def summary(self, form: Any) -> Summary:
        """What would be created; a hint until a plan is chosen."""
        if not form.is_complete:
            return Summary(hint="Choose a product and a plan to see what will be granted.")
        return super().summary(form)

    def summary_of(self, form: Any) -> Summary:
        """What would be created."""
        preview = provisioning.preview(**form.order(), now=self.now)
        return Summary(
            facts=_facts(preview, self.now),
            prices=words.price_lines(
                preview.subscription.prices,
                preview.subscription.plan_version.name,
                preview.addons,
            ),
            credits=previews.credit_lines(preview, now=self.now),
        )


def _facts(preview: Preview, now: datetime) -> list[tuple[str, str]]:
    subscription = preview.subscription
    first, until = finding.billing_period_at(subscription, now)
    facts = [
        ("Plan", f"{subscription.plan_version.name}, version {subscription.plan_version.number}"),
        ("Billing", words.cadence(subscription)),
        ("Status", subscription.status_at(now).label),
        ("Starts", "now" if subscription.started_at == now else instant(subscription.started_at)),
    ]
    if subscription.trial_ends_at is not None:
        facts.append(("Trial until", instant(subscription.trial_ends_at)))
        facts.append(("After the trial", TrialEnd(subscription.trial_end).label))
    facts.append(
        ("Current period" if first <= now else "First period", f"{day(first)} – {day(until)}")
    )
    return facts


def _choices(rows: Mapping[str, Any], empty: str) -> list[tuple[str, str]]:
    return [("", empty), *((key, str(row)) for key, row in rows.items())]


def _with_price(period: BillingPeriod, prices: Mapping[str, Any]) -> str:
    charge = prices.get(period)
    return f"{period.label}: {wording.price(charge)}" if charge else period.label


def _first_complaint(form: forms.Form) -> str:
    for name, messages in form.errors.items():
        label = form.fields[name].label or name.capitalize() if name in form.fields else ""
        return f"{label}: {messages[0]}" if label else str(messages[0])
    return ""
