"""Subscriptions: the list of all, the pages of one, and the buttons that change it."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from catalog.admin.fields import only_when
from catalog.admin.lists import code
from catalog.models.products import CancellationTime
from subscriptions import cancellation, choices, finding, previews, rollout, updates
from subscriptions.admin import words
from subscriptions.admin.parts import PartsForm
from subscriptions.admin.subscribing import LiveDialogPage, Summary
from subscriptions.models import Status, Subscription, SubscriptionAddon
from subscriptions.previews import preview_of_stored
from workspace.actors import Actor
from workspace.admin.base import Badge, DialogForm, Link, ObjectPage, WorkspaceAdmin, button
from workspace.templatetags.stipend import day, instant


class UpdateForm(PartsForm):
    """Add-ons, quantities and values of the subscription that is the form's subject."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        subscription: Subscription = self.subject
        attached = SubscriptionAddon.objects.filter(subscription=subscription)
        quantities = {row.addon.public_id: row.quantity for row in attached.select_related("addon")}
        self.kept = choices.values_of(subscription)
        self.grow_addons(subscription.plan_version, subscription.billing_period, quantities)
        self.grow_values(subscription.plan_version, {value.target: value for value in self.kept})

    def all_values(self) -> list[choices.Value]:
        """What was entered, and what this form does not ask for."""
        asked = {("feature", feature_id) for feature_id in self.unit_fields.values()} | {
            ("credit", credit_type_id) for credit_type_id in self.credit_fields.values()
        }
        return [value for value in self.kept if value.target not in asked] + self.values()


class UpdatePage(LiveDialogPage):
    """Subscription → Update: add-ons and quantities, at once (R27–R30)."""

    name = "update"
    permission = "subscriptions.change_subscription"
    template_name = "admin/subscriptions/subscription/update.html"
    form_class = UpdateForm
    confirm_label = "Update subscription"
    object: Subscription

    @property
    def title(self) -> str:
        """The heading."""
        return f"Update {self.object.plan_version.name}"

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Change it."""
        updates.update(
            subscription_id=self.object.public_id,
            addons=form.addons(),
            entitlements=form.all_values(),
            actor=actor,
            now=now,
        )
        return "The subscription is updated."

    def summary_of(self, form: Any) -> Summary:
        """What the subscription would include."""
        preview = updates.preview(
            subscription_id=self.object.public_id,
            addons=form.addons(),
            entitlements=form.all_values(),
            now=self.now,
        )
        return Summary(
            prices=words.price_lines(
                preview.subscription.prices,
                preview.subscription.plan_version.name,
                preview.addons,
            ),
            credits=previews.credit_lines(preview, now=self.now),
        )


class CancelForm(DialogForm):
    """When a subscription is to end."""

    time = forms.ChoiceField(label="When", choices=CancellationTime.choices)
    ends_at = forms.DateTimeField(
        label="Date",
        required=False,
        widget=forms.DateTimeInput,
        help_text="In UTC.",
    )
    only_when(ends_at, "time", CancellationTime.SPECIFIC_DATE)

    def clean(self) -> dict[str, Any]:
        """Want a date where one is meant."""
        given = super().clean() or {}
        if given.get("time") == CancellationTime.SPECIFIC_DATE and not given.get("ends_at"):
            self.add_error("ends_at", "Enter the date.")
        return given


class SubscriptionPage(ObjectPage):
    """What a subscription is: its terms, add-ons and prices."""

    name = "change"
    label = "Overview"
    template_name = "admin/subscriptions/subscription/overview.html"
    object: Subscription

    def content(self) -> dict[str, Any]:
        """Terms, add-ons, prices."""
        subscription = self.object
        addons = list(
            SubscriptionAddon.objects.filter(subscription=subscription).select_related(
                "addon__live", "version"
            )
        )
        return {
            "subscription": subscription,
            "customer_url": reverse(
                "admin:subscriptions_customer_change", args=[subscription.customer_id]
            ),
            "version": f"v{subscription.plan_version.number}",
            "facts": self._facts(),
            "addons": addons,
            "prices": words.price_lines(
                subscription.prices, subscription.plan_version.name, addons
            ),
        }

    def _facts(self) -> list[tuple[str, str]]:
        subscription = self.object
        return [
            ("Product", subscription.product.name),
            ("Resource", str(subscription.resource or "")),
            ("Billing", words.cadence(subscription)),
            ("Current period", words.current_period(subscription, self.now)),
            ("Billing cycle anchor", instant(subscription.billing_cycle_anchor)),
            ("Start", instant(subscription.started_at)),
            (
                "Trial",
                f"until {instant(subscription.trial_ends_at)}, "
                f"then {subscription.get_trial_end_display().lower()}"
                if subscription.trial_ends_at
                else "",
            ),
            ("End", instant(subscription.ends_at) if subscription.ends_at else ""),
            ("Reason", subscription.get_cancel_reason_display()),
            ("Coupon", words.coupon(subscription, self.now)),
            ("Created", instant(subscription.created_at)),
            *subscription.metadata.items(),
        ]


class SubscriptionEntitlementsPage(ObjectPage):
    """What a subscription gives, and where it comes from."""

    name = "entitlements"
    label = "Entitlements"
    template_name = "admin/subscriptions/subscription/entitlements.html"
    object: Subscription

    def content(self) -> dict[str, Any]:
        """The entitlements with their sources."""
        preview = preview_of_stored(self.object)
        return {"entitlements": words.entitlement_rows(preview, self.now)}


class StatusFilter(admin.SimpleListFilter):
    """Subscriptions by what they are now."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(status.value, status.label) for status in Status]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() not in Status.values:
            return queryset
        return queryset.with_any_status([self.value()], timezone.now())


def update_link(model_admin: WorkspaceAdmin, subscription: Subscription) -> Link:
    """The button that leads to Update."""
    return Link("Update", model_admin.url_of("update", subscription.pk))


def lasts(subscription: Subscription) -> bool:
    """Whether it can still be changed."""
    return not subscription.has_ended(timezone.now())


def cancel_question(subscription: Subscription) -> str:
    """What ends, and when the period does."""
    _, end = finding.billing_period_at(subscription, timezone.now())
    return (
        "What is left of its recurring credits is voided when it ends; purchased and "
        f"promotional credits stay. The billing period ends on {instant(end)}."
    )


def migrate_question(subscription: Subscription) -> str:
    """From which version to which."""
    live = subscription.plan.live
    assert live is not None, "what was subscribed to was published"
    return (
        f"From version {subscription.plan_version.number} to version {live.number} of "
        f"{live.name}, its add-ons to theirs, and all to the prices of today. Higher amounts "
        "are granted at once; lower ones apply from the next reset."
    )


@admin.register(Subscription)
class SubscriptionAdmin(WorkspaceAdmin):
    """Subscriptions of all customers. They begin on a customer's page."""

    pages = [SubscriptionPage, SubscriptionEntitlementsPage, UpdatePage]
    list_display = ["plan_column", "customer_column", "id_column", "status", "started", "ends"]
    list_filter = [StatusFilter]
    list_select_related = ["customer", "plan__live", "plan_version", "product", "resource"]
    search_fields = ["=public_id", "customer__name", "=customer__public_id"]
    search_help_text = "Search by customer, or by a whole ID"
    ordering = ["-created_at", "-pk"]
    empty_title = "No subscriptions yet"
    empty_text = "Open a customer and create one there."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscription]:
        rows: QuerySet[Subscription] = super().get_queryset(request)
        return rows.select_related(*self.list_select_related)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody here: a subscription begins with its customer."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody by a form: buttons change it."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: a subscription is canceled."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("subscriptions.view_subscription"))

    def object_title(self, obj: Subscription) -> str:
        """The plan, and whose it is."""
        return f"{obj.plan_version.name} of {obj.customer}"

    def badges(self, obj: Subscription) -> list[Badge]:
        """Status, pending cancelation, and whether a newer version exists."""
        found = words.badges(obj, timezone.now())
        return [*found, Badge("Legacy")] if obj.is_legacy else found

    @display(description="Plan", ordering="plan_version__name")
    def plan_column(self, obj: Subscription) -> str:
        """The plan and its version."""
        return f"{obj.plan_version.name} v{obj.plan_version.number}"

    @display(description="Customer", ordering="customer__name")
    def customer_column(self, obj: Subscription) -> SafeString:
        """A link to the customer."""
        url = reverse("admin:subscriptions_customer_change", args=[obj.customer_id])
        return format_html('<a class="cx-link" href="{}">{}</a>', url, obj.customer)

    @display(description="ID")
    def id_column(self, obj: Subscription) -> SafeString:
        """The ID."""
        return code(obj.public_id)

    @display(
        description="Status",
        label={
            Status.ACTIVE.label: "success",
            Status.IN_TRIAL.label: "primary",
            Status.NOT_STARTED.label: "info",
            Status.PAYMENT_PENDING.label: "warning",
            Status.CANCELED.label: "danger",
            Status.EXPIRED.label: "default",
        },
    )
    def status(self, obj: Subscription) -> str:
        """What it is now."""
        return obj.status_at(timezone.now()).label

    @display(description="Start", ordering="started_at")
    def started(self, obj: Subscription) -> str:
        """The day it starts."""
        return day(obj.started_at)

    @display(description="End", ordering="ends_at")
    def ends(self, obj: Subscription) -> str:
        """The day it ends."""
        return day(obj.ends_at)

    def object_context(self, request: HttpRequest, obj: Any, current: str) -> dict[str, Any]:
        """With Update among the buttons, and the title instead of the ID among the crumbs."""
        context: dict[str, Any] = super().object_context(request, obj, current)
        may_change = request.user.has_perm("subscriptions.change_subscription")
        if may_change and lasts(obj) and current != "update":
            context["buttons"] = [update_link(self, obj), *context["buttons"]]
        return context | {"original": self.object_title(obj)}

    @button(
        "Migrate to latest",
        permission="subscriptions.change_subscription",
        icon="upgrade",
        description=migrate_question,
        is_available=lambda subscription: lasts(subscription) and subscription.is_legacy,
    )
    def migrate(self, subscription: Subscription, actor: Actor, now: datetime) -> str:
        """Move it to the latest versions and prices (R10)."""
        moved = rollout.migrate(subscription_id=subscription.public_id, actor=actor, now=now)
        return f"The subscription stands on version {moved.plan_version.number} now."

    @button(
        "Mark as paid",
        permission="subscriptions.change_subscription",
        icon="paid",
        description="The subscription begins to give what it includes.",
        is_available=lambda subscription: subscription.payment_pending and lasts(subscription),
    )
    def confirm_payment(self, subscription: Subscription, actor: Actor, now: datetime) -> str:
        """Let it begin to give (R18)."""
        updates.confirm_payment(subscription_id=subscription.public_id, actor=actor, now=now)
        return "The subscription is paid."

    @button(
        "Keep subscription",
        permission="subscriptions.change_subscription",
        icon="undo",
        description="The cancelation is taken back and the subscription goes on.",
        is_available=lambda subscription: subscription.is_cancelation_pending(timezone.now()),
    )
    def keep(self, subscription: Subscription, actor: Actor, now: datetime) -> str:
        """Take a cancelation back."""
        cancellation.keep(subscription_id=subscription.public_id, actor=actor, now=now)
        return "The subscription goes on."

    @button(
        "Cancel subscription",
        permission="subscriptions.change_subscription",
        form=CancelForm,
        initial=lambda subscription: {"time": subscription.product.cancellation_time},
        description=cancel_question,
        template_name="admin/subscriptions/form.html",
        icon="cancel",
        is_dangerous=True,
        is_available=lasts,
    )
    def cancel(
        self, subscription: Subscription, form: CancelForm, actor: Actor, now: datetime
    ) -> str:
        """End it now, with its period, or on a date (R32)."""
        canceled = cancellation.cancel(
            subscription_id=subscription.public_id,
            time=form.cleaned_data["time"],
            ends_at=form.cleaned_data["ends_at"],
            actor=actor,
            now=now,
        )
        if canceled.has_ended(now):
            return "The subscription is canceled."
        return f"The subscription ends on {instant(canceled.ends_at)}."
