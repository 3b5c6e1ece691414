"""Plans and add-ons over HTTP: created, read, edited, published, archived (R5, R6, R8–R11)."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, TypedDict

from django.db.models import Q, QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from catalog import archiving, drafts, entitlements, packages, publishing
from catalog.api.amounts import AmountField
from catalog.api.base import (
    CatalogView,
    ClearableText,
    Flag,
    Whole,
    choices_in_query,
    in_path,
    named_packages,
    within,
)
from catalog.api.charges import (
    ChargesBody,
    PriceShape,
    price_lines,
    wanted_entitlements,
    wanted_prices,
)
from catalog.checking import InvalidField
from catalog.drafts import UnknownPackage
from catalog.models import (
    Package,
    PackageKind,
    PackageVersion,
    PricingType,
    Product,
    TrialEnd,
    TrialUnit,
)
from catalog.packages import Details
from catalog.publishing import Audience
from workspace.acts import together
from workspace.api import cursors
from workspace.api.camel import CamelMixin
from workspace.api.fields import (
    ChoiceField,
    InstantRangeField,
    MetadataField,
    PublicIdField,
    TextField,
    wire_instant,
)
from workspace.api.responses import Response
from workspace.api.terms import Instant, one_of, speaks

DRAFT, PUBLISHED, ARCHIVED = "DRAFT", "PUBLISHED", "ARCHIVED"
STATUSES = (DRAFT, PUBLISHED, ARCHIVED)
MOST_NAMES = 500
MOST_IN_LINE = 10**9


class BudgetBody(CamelMixin, serializers.Serializer[Any]):
    """The most that may be spent in a trial."""

    has_soft_limit = Flag()
    limit = AmountField(allow_zero=True)


class TrialBody(CamelMixin, serializers.Serializer[Any]):
    """How long a plan may be tried, and what follows."""

    duration = Whole(min_value=1, max_value=3650)
    units = ChoiceField(TrialUnit.values)
    budget = BudgetBody(required=False, allow_null=True)
    trial_end_behavior = ChoiceField(TrialEnd.values, required=False, allow_null=True)


class PackageBody(CamelMixin, serializers.Serializer[Any]):
    """What may be said about plans and add-ons alike; null clears, absent leaves."""

    display_name = TextField(source="name", max_length=255, required=False)
    description = ClearableText(max_length=255)
    billing_id = ClearableText(max_length=255)
    metadata = MetadataField(required=False)


class PlanChanges(PackageBody):
    """Changes of a plan's draft."""

    charges = ChargesBody(required=False)
    compatible_addon_ids = serializers.ListField(
        child=PublicIdField(), required=False, allow_null=True, max_length=MOST_NAMES
    )
    default_trial_config = TrialBody(required=False, allow_null=True)
    parent_plan_id = PublicIdField(required=False, allow_null=True)


class AddonChanges(PackageBody):
    """Changes of an add-on's draft. Its status changes by other operations."""

    charges = ChargesBody(required=False)
    dependencies = serializers.ListField(
        child=PublicIdField(), required=False, allow_null=True, max_length=MOST_NAMES
    )
    max_quantity = Whole(required=False, allow_null=True, min_value=1, max_value=MOST_IN_LINE)
    status = ChoiceField(STATUSES, required=False)


class NewPackage(PackageBody):
    """What every new package needs."""

    id = PublicIdField(source="public_id")
    display_name = TextField(source="name", max_length=255)
    product_id = PublicIdField()
    pricing_type = ChoiceField(PricingType.values, required=False, allow_null=True)
    status = ChoiceField(STATUSES, required=False)


class NewPlan(NewPackage):
    """A plan, which begins as a draft."""

    default_trial_config = TrialBody(required=False, allow_null=True)
    parent_plan_id = PublicIdField(required=False, allow_null=True)


class NewAddon(NewPackage):
    """An add-on, which begins as a draft."""

    max_quantity = Whole(required=False, allow_null=True, min_value=1, max_value=MOST_IN_LINE)


NEWS: Mapping[PackageKind, type[NewPackage]] = {
    PackageKind.PLAN: NewPlan,
    PackageKind.ADDON: NewAddon,
}
CHANGES: Mapping[PackageKind, type[PackageBody]] = {
    PackageKind.PLAN: PlanChanges,
    PackageKind.ADDON: AddonChanges,
}


class PublishBody(CamelMixin, serializers.Serializer[Any]):
    """Whom a publication reaches (R9)."""

    migration_type = ChoiceField(Audience.values)


class PackageQuery(CamelMixin, serializers.Serializer[Any]):
    """What the lists of plans and add-ons can be narrowed by."""

    product_id = PublicIdField(required=False)
    status = choices_in_query(*STATUSES)
    created_at = InstantRangeField(required=False)


class BudgetShape(TypedDict):
    """The most that may be spent."""

    limit: Decimal
    hasSoftLimit: bool


class TrialShape(TypedDict):
    """How long a plan may be tried, and what follows."""

    duration: int
    units: Annotated[str, one_of(TrialUnit.values)]
    trialEndBehavior: Annotated[str, one_of(TrialEnd.values)]
    budget: BudgetShape | None


class IncludedShape(TypedDict):
    """What a plan or add-on includes, by its id."""

    id: str
    type: Annotated[str, one_of(["FEATURE", "CREDIT"])]


class PackageShape(TypedDict):
    """What plans and add-ons have in common."""

    id: str
    displayName: str
    description: str | None
    billingId: str | None
    productId: str
    pricingType: Annotated[str, one_of(PricingType.values)] | None
    status: Annotated[str, one_of(STATUSES)]
    versionNumber: int
    isLatest: bool
    entitlements: list[IncludedShape]
    metadata: dict[str, str]
    createdAt: Instant
    updatedAt: Instant


class AddonShape(PackageShape):
    """An add-on."""

    dependencies: list[str]
    maxQuantity: int | None


class PlanShape(PackageShape):
    """A plan."""

    compatibleAddonIds: list[str]
    defaultTrialConfig: TrialShape | None
    parentPlanId: str | None


class IdShape(TypedDict):
    """What was changed."""

    id: str


class TaskShape(TypedDict):
    """Who brings the change to those that have the package; null if there is nobody."""

    taskId: str | None


class PackageAnswer(serializers.BaseSerializer[Package]):
    """A plan or add-on as callers see it.

    Shown is the live version, or the draft of what was never published; the draft as well
    where the context says `draft`.
    """

    def version_of(self, package: Package) -> PackageVersion:
        """The version that is shown."""
        asks_for_draft = self.context.get("draft") and package.draft is not None
        version = package.draft if package.live is None or asks_for_draft else package.live
        assert version is not None, "a package has a version"
        return version

    def shared(self, package: Package, version: PackageVersion) -> PackageShape:
        """What plans and add-ons have in common."""
        status = PUBLISHED if version.pk == package.live_id else DRAFT
        if package.archived_at is not None:
            status = ARCHIVED
        last_number = package.live.number or 0 if package.live else 0
        return {
            "id": package.public_id,
            "displayName": version.name,
            "description": version.description or None,
            "billingId": version.billing_id or None,
            "productId": package.product.public_id,
            "pricingType": version.pricing_type or None,
            "status": status,
            "versionNumber": version.number or last_number + 1,
            "isLatest": version.pk == package.live_id,
            "entitlements": _entitlements(version),
            "metadata": version.metadata,
            "createdAt": wire_instant(package.created_at),
            "updatedAt": wire_instant(package.updated_at),
        }


class PlanAnswer(PackageAnswer):
    """A plan."""

    def to_representation(self, instance: Package) -> PlanShape:
        """Every key of the contract."""
        version = self.version_of(instance)
        return {
            **self.shared(instance, version),
            "compatibleAddonIds": _ids(version.compatible_addons.all()),
            "defaultTrialConfig": _trial(version),
            "parentPlanId": version.base_plan.public_id if version.base_plan else None,
        }


class AddonAnswer(PackageAnswer):
    """An add-on."""

    def to_representation(self, instance: Package) -> AddonShape:
        """Every key of the contract."""
        version = self.version_of(instance)
        return {
            **self.shared(instance, version),
            "dependencies": _ids(version.dependencies.all()),
            "maxQuantity": version.max_quantity,
        }


ANSWERS: Mapping[PackageKind, type[PackageAnswer]] = {
    PackageKind.PLAN: PlanAnswer,
    PackageKind.ADDON: AddonAnswer,
}


def own_answer(view: "PackageView") -> type[PackageAnswer]:
    """What shows packages of the kind that a view is about."""
    return ANSWERS[view.kind]


class PackageView(CatalogView):
    """What the addresses of plans and of add-ons share. Bound to one `kind` in `urls`."""

    kind: PackageKind = PackageKind.PLAN
    names = {
        "name": "displayName",
        "public_id": "id",
        "product": "productId",
        "base_plan": "parentPlanId",
        "compatible_addons": "compatibleAddonIds",
        "feature": "charges",
        "credit_type": "charges",
        "formula": "charges",
        "amount": "charges",
        "trial_length": "defaultTrialConfig",
    }

    def rows(self) -> QuerySet[Package]:
        """All packages of the kind, with what answers show; a constant number of queries."""
        versions = ("live", "draft")
        lists = ("compatible_addons", "dependencies")
        return (
            Package.objects.filter(kind=self.kind)
            .select_related("product", "live__base_plan", "draft__base_plan")
            .prefetch_related(
                *(f"{version}__{name}" for version in versions for name in lists),
                *(f"{version}__credit_entitlements__credit_type" for version in versions),
                *(f"{version}__feature_entitlements__feature" for version in versions),
            )
        )

    def find(self, public_id: str) -> Package:
        """The package that an address names."""
        noun = PackageKind(self.kind).label.lower()
        found: Package = in_path(self.rows(), public_id, UnknownPackage, noun)
        return found

    def shown(self, package: Package, *, draft: bool = False) -> Response:
        """A package as it is stored now, in its envelope."""
        stored = self.rows().get(pk=package.pk)
        return self.answer(own_answer(self)(stored, context={"draft": draft}).data)

    def details_of(self, body: dict[str, Any]) -> Details:
        """A body in the words of the verbs."""
        details: dict[str, Any] = {}
        for name, value in body.items():
            match name:
                case "default_trial_config":
                    details |= _trial_fields(value)
                case "parent_plan_id":
                    plans = named_packages(
                        PackageKind.PLAN, [value] if value else [], field="base_plan"
                    )
                    details["base_plan"] = plans.get(value)
                case "compatible_addon_ids" | "dependencies":
                    field = "dependencies" if name == "dependencies" else "compatible_addons"
                    addons = named_packages(PackageKind.ADDON, value or [], field=field)
                    details[field] = list(addons.values())
                case "pricing_type":
                    details["pricing_type"] = value or ""
                case _:
                    details[name] = value
        return details  # type: ignore[return-value]


class Packages(PackageView):
    """The list; new ones."""

    @speaks(query=PackageQuery, page=own_answer)
    def get(self, request: Request) -> Response:
        """A page of plans or add-ons. Asked for drafts alone, it shows drafts."""
        query = self.read_query()
        rows = within(self.rows(), query)
        if "product_id" in query:
            rows = rows.filter(product__public_id=query["product_id"])
        statuses = query.get("status") or []
        if statuses:
            rows = rows.filter(_with_statuses(statuses))
        return self.page_of(rows, context={"draft": statuses == [DRAFT]})

    @speaks(body=lambda view: NEWS[view.kind], answer=own_answer, status=201)
    def post(self, request: Request) -> Response:
        """Begin one as a draft (R8)."""
        body = self.read_body()
        _refuse_status(body.pop("status", DRAFT))
        product_id = body.pop("product_id")
        product = Product.objects.filter(public_id=product_id).first()
        if product is None:
            raise InvalidField(f"There is no product {product_id}.", field="product")
        package = packages.create(
            kind=self.kind,
            product_id=product.pk,
            public_id=body.pop("public_id"),
            **self.details_of(body),
            actor=self.actor,
            now=self.now,
        )
        return self.shown(package)


class OnePackage(PackageView):
    """One plan or add-on."""

    @speaks(answer=own_answer)
    def get(self, request: Request, package_id: str) -> Response:
        """Read it: what is live, or the draft of what was never published."""
        return self.answer(own_answer(self)(self.find(package_id)).data)

    @speaks(body=lambda view: CHANGES[view.kind], answer=own_answer)
    def patch(self, request: Request, package_id: str) -> Response:
        """Change its open draft, prices included (R8)."""
        body = self.read_body()
        _refuse_status(body.pop("status", DRAFT))
        package = self.find(package_id)
        charges = body.pop("charges", None)
        details = self.details_of(body)
        if charges is None:
            packages.edit(package_id=package.pk, **details, actor=self.actor, now=self.now)
            return self.shown(package, draft=True)
        details["pricing_type"] = charges["pricing_type"]
        if charges.get("billing_id"):
            details.setdefault("billing_id", charges["billing_id"])
        if charges.get("overage_billing_period"):
            details["overage_billing_period"] = charges["overage_billing_period"]
        new_charges, mappings = wanted_prices(charges)
        features = wanted_entitlements(charges)
        by: Any = {"package_id": package.pk, "actor": self.actor, "now": self.now}

        def change() -> None:
            packages.edit(charges=new_charges, mappings=mappings, **details, **by)
            if features:
                entitlements.agree_on_features(features=features, **by)

        together(change)
        return self.shown(package, draft=True)


class PackageDraft(PackageView):
    """The draft of a plan or add-on."""

    @speaks(answer=own_answer, status=201)
    def post(self, request: Request, package_id: str) -> Response:
        """Open one (R8)."""
        package = self.find(package_id)
        drafts.open_draft(package_id=package.pk, actor=self.actor, now=self.now)
        return self.shown(package, draft=True)

    @speaks(answer=IdShape)
    def delete(self, request: Request, package_id: str) -> Response:
        """Throw it away (R8)."""
        package = self.find(package_id)
        drafts.discard(package_id=package.pk, actor=self.actor, now=self.now)
        return self.answer({"id": package.public_id})


class PublishPackage(PackageView):
    """The publication of a draft."""

    @speaks(body=PublishBody, answer=TaskShape)
    def post(self, request: Request, package_id: str) -> Response:
        """Make it the next version (R9, R11)."""
        body = self.read_body()
        version = publishing.publish(
            package_id=self.find(package_id).pk,
            audience=Audience(body["migration_type"]),
            actor=self.actor,
            now=self.now,
        )
        return self.answer({"taskId": version.task_id})


class ArchivePackage(PackageView):
    """The retirement of a plan or add-on."""

    @speaks(answer=own_answer)
    def post(self, request: Request, package_id: str) -> Response:
        """Take it off sale."""
        package = self.find(package_id)
        archiving.archive_package(package_id=package.pk, actor=self.actor, now=self.now)
        return self.shown(package)


class PackageCharges(PackageView):
    """The prices of a plan or add-on: of its open draft, or of what is live."""

    is_overage = False

    @speaks(page=PriceShape)
    def get(self, request: Request, package_id: str) -> Response:
        """A page of them."""
        version = self.find(package_id).current
        page = cursors.page_of_rows(
            price_lines(version, is_overage=self.is_overage),
            request=request._request,
            order=("created_at", "rank", "id"),
        )
        return Response(page.answer(lambda lines: [line.shown for line in lines]))


def _with_statuses(statuses: Sequence[str]) -> Q:
    """Packages of which the API would show one of these statuses."""
    conditions = {
        ARCHIVED: Q(archived_at__isnull=False),
        PUBLISHED: Q(archived_at=None) & ~Q(live=None),
        DRAFT: Q(archived_at=None) & ~Q(draft=None),
    }
    wanted = Q()
    for status in statuses:
        wanted |= conditions[status]
    return wanted


def _refuse_status(status: str) -> None:
    """Publishing and archiving are operations of their own."""
    if status != DRAFT:
        raise InvalidField(
            "Everything begins as a draft; publish or archive it to change that.", field="status"
        )


def _trial_fields(trial: dict[str, Any] | None) -> dict[str, Any]:
    if trial is None:
        return {"trial_length": None, "trial_unit": "", "trial_end": "", "trial_budget": None}
    budget = trial.get("budget")
    return {
        "trial_length": trial["duration"],
        "trial_unit": trial["units"],
        "trial_end": trial.get("trial_end_behavior") or TrialEnd.CONVERT_TO_PAID,
        "trial_budget": budget
        and {"limit": budget["limit"], "has_soft_limit": budget["has_soft_limit"]},
    }


def _trial(version: PackageVersion) -> TrialShape | None:
    if version.trial_length is None:
        return None
    budget = version.trial_budget
    return {
        "duration": version.trial_length,
        "units": version.trial_unit,
        "trialEndBehavior": version.trial_end,
        "budget": (
            {"limit": Decimal(budget["limit"]), "hasSoftLimit": budget["has_soft_limit"]}
            if budget
            else None
        ),
    }


def _entitlements(version: PackageVersion) -> list[IncludedShape]:
    """What the version itself includes, in the order that customers see."""
    rows = [
        *(
            (row.position, 0, row.pk, "CREDIT", row.credit_type.public_id)
            for row in version.credit_entitlements.all()
        ),
        *(
            (row.position, 1, row.pk, "FEATURE", row.feature.public_id)
            for row in version.feature_entitlements.all()
        ),
    ]
    return [{"id": public_id, "type": kind} for *_, kind, public_id in sorted(rows)]


def _ids(named: QuerySet[Package]) -> list[str]:
    return sorted(package.public_id for package in named)
