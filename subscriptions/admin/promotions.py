"""Features given to one customer outside any plan: the form, the rows, and taking back."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from catalog import wording
from catalog.admin.fields import as_choices, only_when
from catalog.models import Feature, FeatureType, ResetPeriod
from subscriptions import promotions, searching
from subscriptions.choices import LARGEST_LIMIT
from subscriptions.models import (
    Customer,
    PromotionalEntitlement,
    PromotionPeriod,
    PromotionStatus,
)
from subscriptions.promotions import Gift
from workspace.actors import Actor
from workspace.admin.base import (
    Badge,
    DialogForm,
    DialogPage,
    Link,
    ObjectPage,
    ReadOnly,
    WorkspaceAdmin,
    button,
)
from workspace.admin.pages import dress, model_url
from workspace.templatetags.stipend import day


@dataclass(frozen=True, slots=True)
class PromotionRow:
    """A line of a table of promotional entitlements."""

    promotion: PromotionalEntitlement
    name: str
    value: str
    period: str
    badge: Badge
    links: list[Link]


def rows_of(
    found: Iterable[PromotionalEntitlement], now: datetime, *, may_revoke: bool = False
) -> list[PromotionRow]:
    """Promotional entitlements as lines of a table."""
    return [
        PromotionRow(
            promotion=promotion,
            name=promotion.feature.name,
            value=wording.feature_value(promotion.terms),
            period=promotion.get_period_display(),
            badge=badge(promotion, now),
            links=[_revoke_link(promotion)] if may_revoke and _lasts(promotion, now) else [],
        )
        for promotion in found
    ]


def badge(promotion: PromotionalEntitlement, now: datetime) -> Badge:
    """Whether it still gives something."""
    status = promotion.status_at(now)
    return Badge(status.label, "success" if status == PromotionStatus.ACTIVE else "neutral")


def _lasts(promotion: PromotionalEntitlement, now: datetime) -> bool:
    return promotion.status_at(now) == PromotionStatus.ACTIVE


def _revoke_link(promotion: PromotionalEntitlement) -> Link:
    back = model_url(Customer, "change", promotion.customer_id)
    url = model_url(PromotionalEntitlement, "revoke", promotion.pk)
    return Link("Revoke", f"{url}?next={back}", icon="block", is_dangerous=True)


class GiveForm(DialogForm):
    """A feature to be given; what is asked for follows the kind of the feature."""

    feature = forms.ModelChoiceField(Feature.objects.none(), empty_label="Choose a feature")
    has_unlimited_usage = forms.BooleanField(label="Unlimited", required=False)
    usage_limit = forms.IntegerField(
        label="Limit",
        min_value=0,
        max_value=LARGEST_LIMIT,
        required=False,
        help_text="Counts instead of what the subscriptions include, where it is more.",
    )
    has_soft_limit = forms.BooleanField(
        label="Soft limit", required=False, help_text="Access goes on when nothing is left."
    )
    reset_period = forms.ChoiceField(
        label="Use starts again every",
        choices=as_choices(
            [(period.value, period.label.lower()) for period in ResetPeriod], empty="Never"
        ),
        required=False,
    )
    period = forms.ChoiceField(
        label="For", choices=PromotionPeriod.choices, initial=PromotionPeriod.MONTH
    )
    custom_end_date = forms.DateTimeField(
        label="Until (UTC)", required=False, widget=forms.DateTimeInput()
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        active = Feature.objects.active().order_by("name", "pk")
        feature = self.fields["feature"]
        assert isinstance(feature, forms.ModelChoiceField)
        feature.queryset = active
        numbers = []
        for offered in active:
            if offered.type == FeatureType.NUMBER:
                numbers.append(str(offered.pk))
            if offered.type == FeatureType.ENUM:
                self._offer_values(offered)
        for name in ("has_unlimited_usage", "usage_limit", "has_soft_limit", "reset_period"):
            only_when(self.fields[name], "feature", *numbers)
        only_when(self.fields["custom_end_date"], "period", PromotionPeriod.CUSTOM)
        values = [name for name in self.fields if name.startswith("values_")]
        self.order_fields(["feature", *values])

    def _offer_values(self, feature: Feature) -> None:
        field = forms.MultipleChoiceField(
            label="Values",
            choices=[
                (choice["value"], choice.get("displayName") or choice["value"])
                for choice in feature.enum_values
            ],
            required=False,
            widget=forms.CheckboxSelectMultiple,
        )
        self.fields[f"values_{feature.pk}"] = field
        dress(field.widget)
        only_when(field, "feature", str(feature.pk))

    def gift(self) -> Gift:
        """What is to be given; inputs that do not belong to the feature are left out."""
        given = self.cleaned_data
        feature: Feature = given["feature"]
        is_number = feature.type == FeatureType.NUMBER
        is_custom = given["period"] == PromotionPeriod.CUSTOM
        return Gift(
            feature_id=feature.public_id,
            period=given["period"],
            custom_end_date=given["custom_end_date"] if is_custom else None,
            usage_limit=given["usage_limit"] if is_number else None,
            has_unlimited_usage=is_number and given["has_unlimited_usage"],
            has_soft_limit=is_number and given["has_soft_limit"],
            enum_values=given.get(f"values_{feature.pk}", ()),
            reset_period=given["reset_period"] if is_number else "",
        )


class GivePage(DialogPage):
    """Give a customer a feature outside any plan."""

    name = "give"
    permission = "subscriptions.add_promotionalentitlement"
    form_class = GiveForm
    template_name = "admin/subscriptions/form.html"
    title = "Add promotional entitlement"
    question = (
        "A feature for this customer alone, beside what their subscriptions include. "
        "One that was given before is replaced."
    )
    confirm_label = "Add"
    object: Customer

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Give it."""
        [promotion] = promotions.give(
            customer_id=self.object.public_id, gifts=[form.gift()], actor=actor, now=now
        )
        return f"{self.object} has {promotion.feature.name} now."


class PromotionPage(ObjectPage):
    """What was given, and until when."""

    name = "change"
    label = "Overview"
    template_name = "admin/subscriptions/promotion.html"
    object: PromotionalEntitlement

    def content(self) -> dict[str, Any]:
        """Facts."""
        promotion = self.object
        return {
            "facts": [
                ("Customer", str(promotion.customer)),
                ("Feature", promotion.feature.name),
                ("Value", wording.feature_value(promotion.terms)),
                ("Limit", "Soft" if promotion.has_soft_limit else ""),
                ("For", promotion.get_period_display()),
                ("Start", day(promotion.starts_at)),
                ("End", day(promotion.ends_at) if promotion.ends_at else ""),
            ],
            "customer_url": model_url(Customer, "change", promotion.customer_id),
        }


@admin.register(PromotionalEntitlement)
class PromotionalEntitlementAdmin(ReadOnly, WorkspaceAdmin):
    """Promotional entitlements of all customers: to look for, and to revoke."""

    pages = [PromotionPage]
    list_display = ["feature", "customer", "value", "status", "start", "end"]
    search_fields = ["feature__name"]
    search_help_text = "Beginning of a feature's name, or words of a customer"
    ordering = ["-pk"]
    sortable_by = ()
    paginator = InfinitePaginator
    empty_title = "No promotional entitlements yet"
    empty_text = "Give a customer a feature on their Overview tab."

    def get_queryset(self, request: HttpRequest) -> QuerySet[PromotionalEntitlement]:
        """With all that pages name."""
        rows: QuerySet[PromotionalEntitlement] = super().get_queryset(request)
        return rows.select_related("customer", "feature")

    def get_search_results(
        self,
        request: HttpRequest,
        queryset: QuerySet[PromotionalEntitlement],
        search_term: str,
    ) -> tuple[QuerySet[PromotionalEntitlement], bool]:
        """Those of features so called, and those of customers whom a search would find."""
        if not (typed := search_term.strip()):
            return queryset, False
        features = Feature.objects.filter(name__istartswith=typed)
        theirs = Q(customer__in=searching.find(typed))
        return queryset.filter(theirs | Q(feature__in=list(features))), False

    def badges(self, obj: PromotionalEntitlement) -> list[Badge]:
        """Whether it still gives something."""
        return [badge(obj, timezone.now())]

    @display(description="Value")
    def value(self, obj: PromotionalEntitlement) -> str:
        """What it gives."""
        return wording.feature_value(obj.terms)

    @display(description="Status", label={"Active": "success", "Expired": "default"})
    def status(self, obj: PromotionalEntitlement) -> str:
        """Active or expired."""
        return obj.status_at(timezone.now()).label

    @display(description="Start")
    def start(self, obj: PromotionalEntitlement) -> str:
        """Since when."""
        return day(obj.starts_at)

    @display(description="End")
    def end(self, obj: PromotionalEntitlement) -> str:
        """Until when."""
        return day(obj.ends_at)

    @button(
        "Revoke",
        permission="subscriptions.revoke_promotionalentitlement",
        icon="block",
        is_dangerous=True,
        is_available=lambda promotion: _lasts(promotion, timezone.now()),
        description="The customer has only what their subscriptions include, from now on.",
    )
    def revoke(self, promotion: PromotionalEntitlement, actor: Actor, now: datetime) -> str:
        """Take it back."""
        promotions.revoke(
            customer_id=promotion.customer.public_id,
            feature_id=promotion.feature.public_id,
            actor=actor,
            now=now,
        )
        return f"{promotion.feature.name} is revoked."
