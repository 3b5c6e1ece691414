"""The dialogs that add, change, order and remove what a draft includes."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from catalog import entitlements, inheritance
from catalog.admin.dialogs import DraftDialog, DraftForm, PartDialog, set_choices
from catalog.admin.fields import (
    AmountInput,
    Line,
    Paragraph,
    as_choices,
    counted_from,
    counted_from_of,
    only_when,
    take_counted_from,
)
from catalog.admin.rows import url_of
from catalog.models import (
    Behaviour,
    Cadence,
    CreditEntitlement,
    CreditType,
    Feature,
    FeatureEntitlement,
    FeatureType,
    HiddenFrom,
    Package,
    PackageKind,
    PricingType,
    ResetPeriod,
)
from workspace.actors import Actor
from workspace.admin.base import DialogForm

HARD, SOFT = "hard", "soft"
LIMITED, UNLIMITED = "limited", "unlimited"


class TermsForm(DraftForm):
    """The terms that credits and features share. `subject` is the package.

    Subclasses name their own inputs in `first`; those come before the shared ones.
    """

    limit = forms.ChoiceField(
        choices=[
            (HARD, "Hard: access ends when nothing is left"),
            (SOFT, "Soft: access goes on when nothing is left"),
        ],
    )
    behaviour = forms.ChoiceField(
        choices=Behaviour.choices,
        help_text="While a customer has an add-on that overrides, what the plan and the add-ons "
        "that increment include of this does not count.",
    )
    is_custom = forms.BooleanField(
        label="Custom", required=False, help_text="The value is set for each subscription."
    )
    is_granted = forms.BooleanField(
        label="Granted",
        required=False,
        initial=True,
        help_text="Switch off to list it without giving it.",
    )
    display_name_override = Line(
        label="Display name",
        required=False,
        max_length=255,
        help_text="What customers read instead of the name.",
    )
    description = Paragraph(required=False, max_length=255)
    hidden_from = forms.MultipleChoiceField(
        label="Visibility: hidden from",
        required=False,
        choices=HiddenFrom.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        package: Package = self.subject
        if package.kind == PackageKind.PLAN:
            del self.fields["behaviour"]
        draft = package.draft
        if draft is None or draft.pricing_type != PricingType.CUSTOM or package.kind != "PLAN":
            del self.fields["is_custom"]

    @property
    def rare(self) -> list[str]:
        """Inputs that the page keeps folded."""
        return ["is_granted", "display_name_override", "description", "hidden_from"]

    @property
    def has_rare(self) -> bool:
        """Whether one of them says something unusual, or is wrong."""
        return any(self[name].errors for name in self.rare) or any(
            bool(self[name].value()) != (name == "is_granted") for name in self.rare
        )

    def clean(self) -> dict[str, Any]:
        """Turn the kind of limit into what the verbs know."""
        given = super().clean() or {}
        if "limit" in given:
            given["has_soft_limit"] = given.pop("limit") == SOFT
        return given


class CreditTermsForm(TermsForm):
    """How many credits, how often (R15, R17, R20)."""

    amount = AmountInput(required=False)
    cadence = forms.ChoiceField(
        choices=[(Cadence.MONTH, "Every month"), (Cadence.YEAR, "Every year, up front")],
        help_text="How often the credits are granted, whatever the billing period. "
        "What is left at the end of a period expires.",
    )
    linked_feature = forms.ModelChoiceField(
        Feature.objects.none(),
        label="Link feature",
        required=False,
        empty_label="None",
        help_text="The amount then counts per unit that the customer has bought, such as "
        "per seat. Only numbers that are included here can be linked.",
    )
    field_order = ["revision", "amount", "cadence", "limit", "behaviour", "linked_feature"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        draft = self.subject.draft
        included = inheritance.effective_feature_entitlements(draft) if draft else []
        numbers = [
            entitlement.feature_id
            for entitlement in included
            if entitlement.feature.type == FeatureType.NUMBER
        ]
        set_choices(self, "linked_feature", Feature.objects.filter(pk__in=numbers))

    def clean(self) -> dict[str, Any]:
        """Want an amount unless the value is custom."""
        given = super().clean() or {}
        is_missing = given.get("amount") is None and "amount" not in self.errors
        if is_missing and not given.get("is_custom"):
            self.add_error("amount", "Enter an amount greater than 0.")
        return given


class FeatureTermsForm(TermsForm):
    """How much of a feature, which of its values, or that it is there at all (R7)."""

    usage = forms.ChoiceField(
        choices=[(LIMITED, "Up to a limit"), (UNLIMITED, "Unlimited")], label="How much"
    )
    usage_limit = forms.IntegerField(
        label="Limit", required=False, min_value=0, max_value=2**63 - 1
    )
    reset_period = forms.ChoiceField(
        label="Use starts afresh",
        choices=as_choices(
            [(value, f"Every {label.lower()}") for value, label in ResetPeriod.choices],
            empty="Never",
        ),
        required=False,
    )
    counted_from_month = counted_from(ResetPeriod.MONTH)
    counted_from_week = counted_from(ResetPeriod.WEEK)
    enum_values = forms.MultipleChoiceField(
        label="Values", required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    field_order = [
        "revision",
        "usage",
        "usage_limit",
        "reset_period",
        "counted_from_month",
        "counted_from_week",
        "enum_values",
        "limit",
    ]

    def __init__(self, *args: Any, feature: Feature, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if feature.type != FeatureType.NUMBER:
            for name in ("usage", "usage_limit", "limit"):
                del self.fields[name]
        else:
            self.fields["limit"].label = "When it is reached"
            only_when(self.fields["usage_limit"], "usage", LIMITED)
        if not feature.is_metered:
            for name in ("reset_period", "counted_from_month", "counted_from_week"):
                del self.fields[name]
        values = self.fields["enum_values"]
        assert isinstance(values, forms.MultipleChoiceField)
        values.choices = [
            (choice["value"], choice.get("displayName") or choice["value"])
            for choice in feature.enum_values
        ]
        if feature.type != FeatureType.ENUM:
            del self.fields["enum_values"]

    def clean(self) -> dict[str, Any]:
        """Turn the choice into a limit or its absence."""
        given = super().clean() or {}
        take_counted_from(given)
        if "usage" in given:
            given["has_unlimited_usage"] = given.pop("usage") == UNLIMITED
            if given["has_unlimited_usage"]:
                given["usage_limit"] = None
            is_missing = given.get("usage_limit") is None and "usage_limit" not in self.errors
            if is_missing and not (given["has_unlimited_usage"] or given.get("is_custom")):
                self.add_error("usage_limit", "Enter a limit, or choose unlimited.")
        return given


class PickEntitlement(DraftDialog):
    """The first step of "+ Add": which credit type or feature."""

    name = "include"
    title = "Add an entitlement"
    section = "entitlements"
    template_name = "admin/catalog/package/pick.html"
    form_class = DialogForm
    LONGEST_LIST = 100

    def initial(self) -> dict[str, Any]:
        """Nothing: the choice is a link."""
        return {}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Nothing is done here."""
        return self.get(request, *args, **kwargs)

    def content(self) -> dict[str, Any]:
        """What is not included yet, narrowed by `?q=`."""
        query = self.request.GET.get("q", "").strip().replace("\0", "")
        draft = self.draft
        credit_types = CreditType.objects.active().exclude(entitlements__version=draft)
        features = Feature.objects.active().exclude(entitlements__version=draft)
        if query:
            credit_types = credit_types.filter(name__icontains=query)
            features = features.filter(name__icontains=query)
        return {
            "query": query,
            "groups": [
                ("Credits", self._links("include_credits", credit_types)),
                ("Features", self._links("include_feature", features)),
            ],
        }

    def _links(self, page: str, targets: Any) -> list[dict[str, str]]:
        return [
            {
                "name": target.name,
                "public_id": target.public_id,
                "description": target.description,
                "url": url_of(self.object, page, target.pk),
            }
            for target in targets[: self.LONGEST_LIST]
        ]


class TermsDialog(PartDialog):
    """A dialog about one credit type or feature; `key` in its address is the primary key."""

    section = "entitlements"
    template_name = "admin/catalog/package/terms.html"
    verb = "Add"
    confirm_label = "Add"
    said = "is added"
    needs_own = False
    carry_out: ClassVar[Callable[..., object]]
    model: type[CreditType] | type[Feature]

    @property
    def target(self) -> Any:
        """The credit type or feature; None if there is none."""
        if not hasattr(self, "_target"):
            self._target = self.model._default_manager.filter(pk=self.kwargs["key"]).first()
        return self._target

    @property
    def title(self) -> str:
        """The heading."""
        return f"{self.verb} {self.target.name}"

    @property
    def own(self) -> CreditEntitlement | FeatureEntitlement | None:
        """The draft's own entitlement for the target, if it has one."""
        if self.model is CreditType:
            return self.draft.credit_entitlements.filter(credit_type=self.target).first()
        return self.draft.feature_entitlements.filter(feature=self.target).first()

    @property
    def part(self) -> Any:
        """The entitlement that is changed or goes, or what is to be included."""
        return self.own if self.needs_own else self.target

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ask, if the target is there."""
        if self.target is None:
            return HttpResponseRedirect(self.own_back_url())
        return super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Act, if the target is there."""
        if self.target is None:
            return HttpResponseRedirect(self.own_back_url())
        return super().post(request, *args, **kwargs)

    def get_form(self) -> forms.Form:
        """The form for this kind of target."""
        options: dict[str, Any] = {"initial": self.initial(), "subject": self.object}
        if issubclass(self.form_class, FeatureTermsForm):
            options["feature"] = self.target
        data = self.request.POST if self.request.method == "POST" else None
        return self.form_class(data, **options)

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Let the verb do it, to this target."""
        target = "credit_type" if self.model is CreditType else "feature"
        self.carry_out(
            package_id=self.object.pk,
            **{target: self.target},
            **form.cleaned_data,
            actor=actor,
            now=now,
        )
        return f"{self.target.name} {self.said}."

    def terms_of(self, entitlement: CreditEntitlement | FeatureEntitlement) -> dict[str, Any]:
        """The terms of an entitlement as the form shows them."""
        shared = {
            "limit": SOFT if entitlement.has_soft_limit else HARD,
            "behaviour": entitlement.behaviour,
            "is_custom": entitlement.is_custom,
            "is_granted": entitlement.is_granted,
            "display_name_override": entitlement.display_name_override,
            "description": entitlement.description,
            "hidden_from": entitlement.hidden_from,
        }
        if isinstance(entitlement, CreditEntitlement):
            return {
                **shared,
                "amount": entitlement.amount,
                "cadence": entitlement.cadence,
                "linked_feature": entitlement.linked_feature_id,
            }
        return {
            **shared,
            "usage": UNLIMITED if entitlement.has_unlimited_usage else LIMITED,
            "usage_limit": entitlement.usage_limit,
            "reset_period": entitlement.reset_period,
            **counted_from_of(entitlement),
            "enum_values": entitlement.enum_values,
        }


class ChangeTerms(TermsDialog):
    """Change the terms of what the draft includes."""

    verb = "Edit"
    confirm_label = "Save"
    needs_own = True
    said = "is saved"

    def initial(self) -> dict[str, Any]:
        """The terms as they are."""
        own = self.own
        return {**super().initial(), **(self.terms_of(own) if own else {})}


class Exclude(TermsDialog):
    """Take something out of the draft."""

    verb = "Remove"
    form_class = DraftForm
    needs_own = True
    is_dangerous = True
    confirm_label = "Remove"
    question = "It is removed from the draft; customers notice nothing before you publish."
    said = "is removed"


class IncludeCredits(TermsDialog):
    """The second step of "+ Add" for credits."""

    name = "include_credits"
    model = CreditType
    form_class = CreditTermsForm
    carry_out = staticmethod(entitlements.include_credits)


class IncludeFeature(TermsDialog):
    """The second step of "+ Add" for a feature."""

    name = "include_feature"
    model = Feature
    form_class = FeatureTermsForm
    carry_out = staticmethod(entitlements.include_feature)


class ChangeCredits(ChangeTerms):
    """Change the terms of credits."""

    name = "change_credits"
    model = CreditType
    form_class = CreditTermsForm
    carry_out = staticmethod(entitlements.change_credits)


class ChangeFeature(ChangeTerms):
    """Change the terms of a feature."""

    name = "change_feature"
    model = Feature
    form_class = FeatureTermsForm
    carry_out = staticmethod(entitlements.change_feature)


class ExcludeCredits(Exclude):
    """Take credits out of the draft."""

    name = "exclude_credits"
    model = CreditType
    carry_out = staticmethod(entitlements.exclude_credits)


class ExcludeFeature(Exclude):
    """Take a feature out of the draft."""

    name = "exclude_feature"
    model = Feature
    carry_out = staticmethod(entitlements.exclude_feature)


MOST_PLACES = 10_000


class MoveForm(DraftForm):
    """Which entitlement goes up or down, and how many places; below 0 is up."""

    kind = forms.ChoiceField(choices=[("credits", "Credits"), ("feature", "Feature")])
    key = forms.IntegerField(min_value=1, max_value=2**63 - 1)
    places = forms.IntegerField(min_value=-MOST_PLACES, max_value=MOST_PLACES)


class MoveEntitlement(DraftDialog):
    """Sent by the arrows and handles beside the entitlements; has no page of its own."""

    name = "move"
    title = "Order"
    section = "entitlements"
    form_class = MoveForm

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """There is nothing to ask."""
        return HttpResponseRedirect(self.own_back_url())

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Move it."""
        model = CreditType if form.cleaned_data["kind"] == "credits" else Feature
        target = model._default_manager.filter(pk=form.cleaned_data["key"]).first()
        if target is None:
            raise entitlements.NotIncluded("This entitlement does not exist any more.")
        entitlements.move(
            package_id=self.object.pk,
            target=target,
            places=form.cleaned_data["places"],
            revision=form.cleaned_data["revision"],
            actor=actor,
            now=now,
        )
        return f"{target.name} is moved."
