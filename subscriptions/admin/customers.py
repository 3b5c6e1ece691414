"""Customers: the list, a customer's pages, and the forms for a new and a changed one."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import display

from catalog.admin.fields import Line, an_id_field
from catalog.admin.lists import ActiveFilter, code, names
from catalog.models import Currency, Package
from subscriptions import customers, journeys, promotions, searching
from subscriptions.admin import words
from subscriptions.admin.choosing import ChosenForBulk
from subscriptions.admin.filters import PlanFilter
from subscriptions.admin.promotions import GivePage, rows_of
from subscriptions.admin.subscribing import SubscribePage
from subscriptions.models import Customer, Entity, PromotionalEntitlement, Subscription
from subscriptions.previews import preview_of_stored
from workspace.activity import for_subject
from workspace.actors import Actor
from workspace.admin.base import (
    Badge,
    DialogForm,
    DialogPage,
    Link,
    ObjectPage,
    WorkspaceAdmin,
    button,
)
from workspace.models import Activity
from workspace.models.activity import ActivityQuerySet
from workspace.templatetags.stipend import day

MOST_PROMOTIONS = 50
"""Those given last; the others stand in the list of all."""
POINTED_AT = ("product", "plan__live", "plan_version", "resource")


class CustomerForm(DialogForm):
    """What is known about a customer."""

    name = Line(max_length=255, required=False, widget=forms.TextInput({"placeholder": "Acme"}))
    email = forms.EmailField(label="Email", required=False)
    billing_id = Line(
        label="Billing ID",
        max_length=255,
        required=False,
        help_text="Who this is in your billing system.",
    )
    billing_currency = forms.ChoiceField(choices=[("", "None"), *Currency.choices], required=False)
    language = Line(max_length=64, required=False, help_text="Such as en-GB.")
    timezone = Line(
        label="Time zone", max_length=64, required=False, help_text="Such as Europe/London."
    )


class NewCustomerForm(CustomerForm):
    """A customer with the ID they will keep (R1)."""

    public_id = an_id_field("customer")
    field_order = ["name", "public_id", "email"]


class AddCustomer(DialogPage):
    """Create a customer."""

    name = "add"
    is_about_one = False
    permission = "subscriptions.add_customer"
    form_class = NewCustomerForm
    template_name = "admin/subscriptions/form.html"
    title = "New customer"
    question = "A company or a person who buys. Your application knows them by the ID."
    confirm_label = "Create customer"
    created: Customer

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Create them."""
        self.created = journeys.begin(**form.cleaned_data, actor=actor, now=now)
        return f"{self.created} is created."

    def back_url(self) -> str:
        """To the new customer once there is one."""
        if hasattr(self, "created"):
            return self.model_admin.object_url(self.created)
        return super().back_url()


class EditCustomer(DialogPage):
    """Change what is known about a customer."""

    name = "edit"
    permission = "subscriptions.change_customer"
    form_class = CustomerForm
    template_name = "admin/subscriptions/form.html"
    object: Customer

    @property
    def title(self) -> str:
        """The heading."""
        return f"Edit {self.object}"

    def initial(self) -> dict[str, Any]:
        """What is known now."""
        return {name: getattr(self.object, name) for name in CustomerForm.base_fields}

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Save the changes."""
        saved = customers.update(
            customer_id=self.object.public_id, **form.cleaned_data, actor=actor, now=now
        )
        return f"{saved} is saved."


class OverviewPage(ObjectPage):
    """Who a customer is, their subscriptions, and what they were given beside."""

    name = "change"
    label = "Overview"
    template_name = "admin/subscriptions/customer/overview.html"
    object: Customer

    def content(self) -> dict[str, Any]:
        """Facts and subscriptions, those in force first."""
        customer = self.object
        rows = customer.subscriptions.select_related(*POINTED_AT).order_by("-started_at", "-pk")
        found = sorted(rows, key=lambda subscription: subscription.has_ended(self.now))
        may_subscribe = customer.archived_at is None and self.user.has_perm(
            "subscriptions.add_subscription"
        )
        given = PromotionalEntitlement.objects.filter(customer=customer)
        may_give = customer.archived_at is None and self.user.has_perm(
            "subscriptions.add_promotionalentitlement"
        )
        return {
            "facts": [
                ("ID", customer.public_id),
                ("Name", customer.name),
                ("Email", customer.email),
                ("Billing ID", customer.billing_id),
                ("Billing currency", customer.billing_currency),
                ("Payment method", (customer.payment_method or {}).get("billingId")),
                ("Coupon", customer.coupon_id),
                ("Language", customer.language),
                ("Time zone", customer.timezone),
                ("Created", day(customer.created_at)),
                *(
                    (link.get_vendor_display(), link.synced_entity_id or link.public_id)
                    for link in customer.integrations.all()
                ),
                *customer.metadata.items(),
            ],
            "rows": words.subscription_rows(
                found,
                self.now,
                may_change=self.user.has_perm("subscriptions.change_subscription"),
            ),
            "subscribe_url": (
                self.model_admin.url_of("subscribe", customer.pk) if may_subscribe else ""
            ),
            "promotions": rows_of(
                given.select_related("feature")[:MOST_PROMOTIONS],
                self.now,
                may_revoke=self.user.has_perm("subscriptions.revoke_promotionalentitlement"),
            ),
            "give_url": self.model_admin.url_of("give", customer.pk) if may_give else "",
        }


class EntitlementsPage(ObjectPage):
    """What a customer has by a subscription and beside it, and where it comes from."""

    name = "entitlements"
    label = "Entitlement summary"
    template_name = "admin/subscriptions/customer/entitlements.html"
    object: Customer

    def content(self) -> dict[str, Any]:
        """The entitlements of the picked subscription; by default the newest in force."""
        rows = self.object.subscriptions.select_related(*POINTED_AT).order_by("-started_at", "-pk")
        found = list(rows.not_ended(self.now))
        wanted = self.request.GET.get("subscription")
        by_id = {subscription.public_id: subscription for subscription in found}
        in_force = [row for row in found if row.started_at <= self.now]
        picked = by_id.get(wanted or "") or next(iter(in_force or found), None)
        given = []
        if picked is None or picked.resource is None:  # what is given belongs to no resource
            found_given = promotions.in_force(self.object, self.now)
            given = [promotions.effective(promotion) for promotion in found_given]
        if picked is None:
            entitlements = words.feature_rows([], given)
        else:
            entitlements = words.entitlement_rows(preview_of_stored(picked), self.now, given)
        return {
            "subscriptions": words.subscription_rows(found, self.now),
            "picked": picked,
            "entitlements": entitlements,
        }


class OnPlan(PlanFilter):
    """Customers with a running or coming subscription to a plan."""

    def having(self, queryset: Any, plan: Package) -> Any:
        having = Subscription.objects.not_ended(timezone.now()).filter(plan=plan)
        return queryset.filter(pk__in=having.values("customer"))


@admin.register(Customer)
class CustomerAdmin(ChosenForBulk, WorkspaceAdmin):
    """Customers, with tabs of their own and of the apps to the right."""

    pages = [OverviewPage, EntitlementsPage, AddCustomer, EditCustomer, SubscribePage, GivePage]
    bulk_name = "customers"
    bulk_permissions = (
        "credits.grant_credits",
        "credits.void_grant",
        "credits.change_grant",
        "subscriptions.change_subscription",
    )
    list_display = ["name_column", "id_column", "email", "plans", "created"]
    list_filter = [ActiveFilter, OnPlan]
    search_fields = ["name", "public_id", "email"]
    search_help_text = "Beginnings of words of a name, ID or email"
    ordering = ["-created_at", "-pk"]
    add_label = "New customer"
    empty_title = "No customers yet"
    empty_text = "Create the first one here, or let your application do it over the API."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Customer]:
        """With the plans they are on, in one query more."""
        running = Subscription.objects.not_ended(timezone.now()).select_related("plan__live")
        rows: QuerySet[Customer] = super().get_queryset(request)
        return rows.prefetch_related(Prefetch("subscriptions", running, to_attr="running"))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Customer], search_term: str
    ) -> tuple[QuerySet[Customer], bool]:
        """Those of whom every word begins a word of theirs."""
        if not search_term.strip():
            return queryset, False
        found = searching.find(search_term)
        if len(found) >= searching.MOST_CUSTOMERS:
            messages.info(request, "Too many match to show them all: type more of a word.")
        return queryset.filter(pk__in=found), False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: a customer is archived, and their ledger stays."""
        return False

    def badges(self, obj: Customer) -> list[Badge]:
        """Whether they are archived."""
        return [Badge("Archived")] if obj.archived_at is not None else []

    def activity_of(self, obj: Customer) -> ActivityQuerySet:
        """What happened to the customer and all of theirs."""
        found: ActivityQuerySet = Activity.objects.filter(
            pk__in=for_subject("customer", obj.public_id).values("pk")
        ) | Activity.objects.filter(customer=obj.public_id)
        return found.newest_first()

    def tabs(self, request: HttpRequest, obj: Any, current: str) -> list[Link]:
        """Overview, Entitlement summary, those of the credits app, Activity.

        Entities only where there are any: most customers have none.
        """
        own = super().tabs(request, obj, current)
        theirs = []
        if request.user.has_perm("credits.view_pool"):
            pages = [("usage", "Entitlement usage"), ("credits", "Credits")]
            if current == "entities" or Entity.objects.filter(customer=obj).exists():
                pages.append(("entities", "Entities"))
            theirs = [
                Link(
                    label,
                    reverse(f"admin:credits_customer_{name}", args=[obj.pk]),
                    is_current=name == current,
                )
                for name, label in pages
            ]
        return [*own[:2], *theirs, *own[2:]]

    @display(description="Name", ordering="name")
    def name_column(self, obj: Customer) -> str:
        """The name, or the ID for want of one."""
        return str(obj)

    @display(description="ID", ordering="public_id")
    def id_column(self, obj: Customer) -> SafeString:
        """The ID."""
        return code(obj.public_id)

    @display(description="Plans")
    def plans(self, obj: Any) -> SafeString | str:
        """The plans of running and coming subscriptions."""
        return names(list({running.plan_id: running.plan for running in obj.running}.values()))

    @display(description="Created", ordering="created_at")
    def created(self, obj: Customer) -> str:
        """The day."""
        return day(obj.created_at)

    @button(
        "Archive",
        permission="subscriptions.archive_customer",
        icon="archive",
        is_dangerous=True,
        is_available=lambda customer: customer.archived_at is None,
        description="All subscriptions of this customer end at once, and access checks say no. "
        "Credits and history stay. Unarchiving does not bring the subscriptions back.",
    )
    def archive(self, customer: Customer, actor: Actor, now: datetime) -> str:
        """Retire a customer."""
        customers.archive(customer_id=customer.public_id, actor=actor, now=now)
        return f"{customer} is archived."

    @button(
        "Unarchive",
        permission="subscriptions.archive_customer",
        icon="unarchive",
        is_available=lambda customer: customer.archived_at is not None,
        description="The customer can be subscribed to plans again. Subscriptions that ended "
        "with the archiving stay ended.",
    )
    def unarchive(self, customer: Customer, actor: Actor, now: datetime) -> str:
        """Bring a customer back."""
        customers.unarchive(customer_id=customer.public_id, actor=actor, now=now)
        return f"{customer} is active again."
