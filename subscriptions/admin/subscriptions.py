"""Subscriptions: the list of all, the pages of one, and the buttons that change it."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from catalog.admin.fields import only_when
from catalog.admin.lists import code
from catalog.models import Package
from catalog.models.products import CancellationTime
from subscriptions import cancellation, finding, migration, searching, transfer, updates
from subscriptions.admin import words
from subscriptions.admin.choosing import ChosenForBulk
from subscriptions.admin.filters import PlanFilter
from subscriptions.admin.updating import UpdatePage
from subscriptions.cancellation import CancellationAction
from subscriptions.discounts import Discount
from subscriptions.models import Customer, Status, Subscription, SubscriptionAddon
from subscriptions.previews import preview_of_stored
from workspace.actors import Actor
from workspace.admin.base import Badge, DialogForm, Link, ObjectPage, WorkspaceAdmin, button
from workspace.admin.pages import model_url
from workspace.ids import PublicIdField
from workspace.templatetags.stipend import day, instant


class TransferForm(DialogForm):
    """Which resource a subscription is to belong to."""

    resource_id = forms.CharField(
        label="Resource ID",
        max_length=255,
        validators=PublicIdField.default_validators,
        help_text="Of the same customer; a new one is made.",
    )


class DelegateForm(DialogForm):
    """Who is to pay for a subscription."""

    customer_id = forms.CharField(
        label="Customer ID",
        max_length=255,
        help_text="Whoever pays from now on. The customer's own ID takes a delegation back.",
    )


class CouponForm(DialogForm):
    """Which coupon a subscription is to have."""

    coupon = forms.ChoiceField(help_text="In place of the one it has. Prices stay.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["coupon"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = words.coupon_choices()


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
    action = forms.ChoiceField(label="Afterwards", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        subscription: Subscription = self.subject
        plan = cancellation.falls_back_on(subscription, timezone.now())
        action = self.fields["action"]
        assert isinstance(action, forms.ChoiceField)
        follows = f"it goes over to {plan.name}" if plan else "all is revoked"
        action.choices = [
            (CancellationAction.DEFAULT.value, f"As the product says: {follows}"),
            (CancellationAction.REVOKE_ENTITLEMENTS.value, "Nothing: all is revoked"),
        ]

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
            ("Paid by", str(subscription.paying_customer or "")),
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


class ScheduledUpdatesPage(ObjectPage):
    """What is scheduled for a subscription, and what was."""

    name = "scheduled"
    label = "Scheduled updates"
    template_name = "admin/subscriptions/subscription/scheduled.html"
    object: Subscription

    def content(self) -> dict[str, Any]:
        """The latest updates, what waits first."""
        return {"updates": words.update_rows(self.object, at_most=MOST_UPDATES)}


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


class OfPlan(PlanFilter):
    """Subscriptions to a plan."""

    def having(self, queryset: Any, plan: Package) -> Any:
        return queryset.filter(plan=plan)


MOST_UPDATES = 50


def update_link(model_admin: WorkspaceAdmin, subscription: Subscription) -> Link:
    """The button that leads to Update."""
    return Link("Update", model_admin.url_of("update", subscription.pk))


def lasts(subscription: Subscription) -> bool:
    """Whether it can still be changed."""
    return not subscription.has_ended(timezone.now())


def cancel_question(subscription: Subscription) -> str:
    """What ends, and when the period does."""
    now = timezone.now()
    _, end = finding.billing_period_at(subscription, now)
    plan = cancellation.falls_back_on(subscription, now)
    if plan is not None:
        return (
            f"Instead of ending it goes over to {plan.name}, without add-ons, unless all is "
            f"revoked. The billing period ends on {instant(end)}."
        )
    return (
        "What is left of its recurring credits is voided when it ends; purchased and "
        f"promotional credits stay. The billing period ends on {instant(end)}."
    )


def scheduled_question(subscription: Subscription) -> str:
    """What will not happen."""
    row = words.update_rows(subscription, at_most=1)[0]
    return f"On {row.takes_effect} this would become {row.becomes}. It stays as it is instead."


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
class SubscriptionAdmin(ChosenForBulk, WorkspaceAdmin):
    """Subscriptions of all customers. They begin on a customer's page."""

    bulk_name = "subscriptions"
    bulk_permissions = ("subscriptions.change_subscription",)
    pages = [
        SubscriptionPage,
        SubscriptionEntitlementsPage,
        ScheduledUpdatesPage,
        UpdatePage,
    ]
    list_display = ["plan_column", "customer_column", "id_column", "status", "started", "ends"]
    list_filter = [StatusFilter, OfPlan]
    list_select_related = [
        "customer",
        "paying_customer",
        "plan__live",
        "plan_version",
        "product",
        "resource",
    ]
    search_fields = ["=public_id", "customer__name", "=customer__public_id"]
    search_help_text = "Customer by beginnings of words, or a whole ID"
    ordering = ["-created_at", "-pk"]
    empty_title = "No subscriptions yet"
    empty_text = "Open a customer and create one there."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscription]:
        """The subscriptions, after what has taken effect was written down."""
        updates.write_down_due(timezone.now())
        rows: QuerySet[Subscription] = super().get_queryset(request)
        return rows.select_related(*self.list_select_related)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Subscription], search_term: str
    ) -> tuple[QuerySet[Subscription], bool]:
        """The one with this ID, and those of customers whom a search for them would find."""
        if not (typed := search_term.strip()):
            return queryset, False
        theirs = Q(customer__in=searching.find(typed))
        # By keys, found first: the order of the list must not tempt the database to walk it.
        keys = Subscription.objects.filter(theirs | Q(public_id=typed)).order_by()
        return queryset.filter(pk__in=list(keys.values_list("pk", flat=True))), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With what can be done to all that the filter shows."""
        links = []
        if self.has_change_many_permission(request):
            url = self.bulk_url(request.GET, do="MIGRATE")
            links.append(Link("Migrate to latest", url, icon="upgrade"))
        return super().changelist_view(request, {"list_links": links, **(extra_context or {})})

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

    def tabs(self, request: HttpRequest, obj: Subscription, current: str) -> list[Link]:
        """With the credits of its resource, which are the customer's own else."""
        tabs = super().tabs(request, obj, current)
        if obj.resource is not None and request.user.has_perm("credits.view_pool"):
            address = reverse("admin:credits_customer_credits", args=[obj.customer_id])
            query = urlencode({"resource": obj.resource.public_id})
            tabs.insert(-1, Link("Credits", f"{address}?{query}"))
        return tabs

    @display(description="Plan")
    def plan_column(self, obj: Subscription) -> str:
        """The plan and its version."""
        return f"{obj.plan_version.name} v{obj.plan_version.number}"

    @display(description="Customer")
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
        """With Update among the buttons."""
        context: dict[str, Any] = super().object_context(request, obj, current)
        may_change = request.user.has_perm("subscriptions.change_subscription")
        if may_change and lasts(obj) and current != "update":
            context["buttons"] = [update_link(self, obj), *context["buttons"]]
        return context

    def crumbs(self, obj: Subscription) -> list[Link]:
        """By its customer."""
        return [
            Link("Customers", model_url(Customer, "changelist")),
            Link(str(obj.customer), model_url(Customer, "change", obj.customer_id)),
            Link(self.object_title(obj), self.object_url(obj)),
        ]

    @button(
        "Migrate to latest",
        permission="subscriptions.change_subscription",
        icon="upgrade",
        description=migrate_question,
        is_available=lambda subscription: lasts(subscription) and subscription.is_legacy,
    )
    def migrate(self, subscription: Subscription, actor: Actor, now: datetime) -> str:
        """Move it to the latest versions and prices (R10)."""
        moved = migration.migrate(subscription_id=subscription.public_id, actor=actor, now=now)
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
        "Cancel scheduled update",
        permission="subscriptions.change_subscription",
        icon="event_busy",
        description=scheduled_question,
        is_available=lambda subscription: subscription.next_update_at is not None,
    )
    def cancel_scheduled(self, subscription: Subscription, actor: Actor, now: datetime) -> str:
        """Take a scheduled update back."""
        updates.cancel_scheduled(subscription_id=subscription.public_id, actor=actor, now=now)
        return "The scheduled update is canceled."

    @button(
        "Change coupon",
        permission="subscriptions.change_subscription",
        form=CouponForm,
        icon="sell",
        description="The subscription has this coupon from now on, for as long as it lasts.",
        is_available=lasts,
    )
    def change_coupon(
        self, subscription: Subscription, form: CouponForm, actor: Actor, now: datetime
    ) -> str:
        """Give it a coupon in place of the one it has."""
        coupon = Discount(form.cleaned_data["coupon"])
        changed = updates.update(
            subscription_id=subscription.public_id, coupon=coupon, actor=actor, now=now
        )
        return f"The subscription has the coupon {words.coupon(changed, now)}."

    @button(
        "Transfer",
        permission="subscriptions.change_subscription",
        form=TransferForm,
        icon="move_down",
        description="What is left of its recurring credits goes along to the other resource; "
        "bought and given credits stay where they are.",
        is_available=lambda subscription: (
            lasts(subscription) and subscription.product.multiple_subscriptions
        ),
    )
    def transfer(
        self, subscription: Subscription, form: TransferForm, actor: Actor, now: datetime
    ) -> str:
        """Let it belong to another resource."""
        moved = transfer.transfer(
            subscription_id=subscription.public_id,
            resource_id=form.cleaned_data["resource_id"],
            actor=actor,
            now=now,
        )
        return f"The subscription belongs to {moved.resource} now."

    @button(
        "Delegate",
        permission="subscriptions.change_subscription",
        form=DelegateForm,
        initial=lambda subscription: {
            "customer_id": (subscription.paying_customer or subscription.customer).public_id
        },
        icon="handshake",
        description="Another customer pays; credits and features stay where they are.",
        is_available=lasts,
    )
    def delegate(
        self, subscription: Subscription, form: DelegateForm, actor: Actor, now: datetime
    ) -> str:
        """Let another customer pay."""
        delegated = transfer.delegate(
            subscription_id=subscription.public_id,
            customer_id=form.cleaned_data["customer_id"],
            actor=actor,
            now=now,
        )
        return f"{delegated.paying_customer or delegated.customer} pays for the subscription."

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
            action=form.cleaned_data["action"] or CancellationAction.DEFAULT,
            actor=actor,
            now=now,
        )
        if canceled.next_update_at is not None:
            at = instant(canceled.next_update_at)
            return f"The subscription goes over to another plan on {at}."
        if canceled.ends_at is None:  # it has fallen back at once
            return f"The subscription has gone over to {canceled.plan.name}."
        if canceled.has_ended(now):
            return "The subscription is canceled."
        return f"The subscription ends on {instant(canceled.ends_at)}."
