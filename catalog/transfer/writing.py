"""What a catalog file says is done, step by step; a refusal names the line."""

from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from typing import Any

from catalog import (
    coupons,
    credit_types,
    drafts,
    entitlements,
    features,
    packages,
    products,
    publishing,
    wording,
)
from catalog.entitlements import CreditTerms, FeatureTerms, NewCredits, NewFeature
from catalog.models import (
    Coupon,
    CreditType,
    Feature,
    FeatureStatus,
    Package,
    PackageKind,
    Product,
)
from catalog.prices import NewCharge, NewMapping
from catalog.publishing import Audience
from catalog.transfer import exporting, shapes
from catalog.transfer.fields import (
    entitlement_terms,
    feature_fields,
    money,
    reset_configuration,
    trial_fields,
)
from catalog.transfer.kinds import Entry
from catalog.transfer.reading import FileRefused
from catalog.transfer.refusing import at_line, at_row, named, target_of, twin
from catalog.transfer.shapes import Document
from workspace.actors import Actor
from workspace.errors import Conflict

KINDS = {"addons": PackageKind.ADDON, "plans": PackageKind.PLAN}


class Importer:
    """Does what a file says, step by step, in a transaction that is open already."""

    def __init__(
        self, document: Document, audience: Audience | None, *, actor: Actor, now: datetime
    ) -> None:
        self.document = document
        self.on_sale = exporting.document(with_drafts=False)
        self.edited = exporting.document(with_drafts=True)
        self.before = {  # what is on sale, or the draft of what never was
            section: self.edited[section] | self.on_sale[section] for section in shapes.SECTIONS
        }
        self.audience = audience
        self.by: Any = {"actor": actor, "now": now}
        self._begun: set[tuple[str, str]] = set()
        self.notes: list[str] = []
        self.writes = 0
        self.drafts = 0
        self.published = 0

    def run(self) -> None:
        """All steps, in the order in which things name each other."""
        for section, take in (
            ("credit_types", self._take_credit_type),
            ("features", self._take_feature),
            ("products", self._take_product),
            ("coupons", self._take_coupon),
        ):
            for entry in self._changed(section):
                take(entry)
                self.writes += 1
        for section, kind in KINDS.items():
            for entry in self.document[section].values():
                if (kind, entry["id"]) not in self.packages:
                    self._begin(kind, entry)
        for section, kind in KINDS.items():
            for entry in self._changed(section):
                self._fill(kind, entry)
        if self.audience is not None:
            for kind, entry in self._in_order_of_publication():
                self._publish(kind, entry)
        for entry in self._changed("products"):
            self._take_journey(entry)

    def _changed(self, section: str) -> Iterator[Entry]:
        """The entries that say something else than the catalog does."""
        for public_id, entry in self.document[section].items():
            if self.before[section].get(public_id) != entry or public_id in self.begun(section):
                yield entry

    # What is known by its id; loaded once, and kept up to date

    @cached_property
    def credit_types(self) -> dict[str, CreditType]:
        return {row.public_id: row for row in CreditType.objects.active()}

    @cached_property
    def features(self) -> dict[str, Feature]:
        return {row.public_id: row for row in Feature.objects.all()}

    @cached_property
    def products(self) -> dict[str, Product]:
        return {row.public_id: row for row in Product.objects.all()}

    @cached_property
    def coupons(self) -> dict[str, Coupon]:
        return {row.public_id: row for row in Coupon.objects.all()}

    @cached_property
    def packages(self) -> dict[tuple[str, str], Package]:
        rows = Package.objects.select_related("product", "live", "draft")
        return {(row.kind, row.public_id): row for row in rows}

    def begun(self, section: str) -> set[str]:
        """The ids of packages that this import created."""
        kind = KINDS.get(section)
        return {public_id for begun_kind, public_id in self._begun if begun_kind == kind}

    def _credit_type(self, entry: Entry, name: str) -> CreditType:
        return named(self.credit_types, entry, name, "active credit type")

    def _feature(self, entry: Entry, name: str) -> Feature:
        return named(self.features, entry, name, "feature")

    def _package(self, kind: PackageKind, public_id: str, line: int) -> Package:
        found = self.packages.get((kind, public_id))
        if found is None:
            raise FileRefused(f"There is no {kind.label.lower()} {public_id}.", line=line)
        return found

    def _packages(self, entry: Entry, name: str) -> list[Package]:
        line = entry.line_of(name)
        return [self._package(PackageKind.ADDON, public_id, line) for public_id in entry[name]]

    # Objects without drafts

    def _take_credit_type(self, entry: Entry) -> None:
        names = {"unit_singular": "unit", "unit_plural": "units", "public_id": "id"}
        fields: Any = {
            "name": entry["name"],
            "description": entry["description"],
            "symbol": entry["symbol"],
            "unit_singular": entry["unit"],
            "unit_plural": entry["units"],
            "metadata": entry["metadata"],
        }
        known = self.credit_types.get(entry["id"])
        with at_line(entry, names):
            self.credit_types[entry["id"]] = (
                credit_types.update(credit_type_id=known.pk, **fields, **self.by)
                if known
                else credit_types.create(public_id=entry["id"], **fields, **self.by)
            )

    def _take_feature(self, entry: Entry) -> None:
        names = {
            "unit_singular": "unit",
            "unit_plural": "units",
            "enum_values": "values",
            "public_id": "id",
            "unit_transformation": "shown_units",
            **dict.fromkeys(
                ["meter_type", "aggregation", "aggregation_field", "meter_filters"], "meter"
            ),
        }
        fields = feature_fields(entry)
        known = self.features.get(entry["id"])
        with at_line(entry, names):
            if known is None:
                self.features[entry["id"]] = features.create(
                    public_id=entry["id"], type=entry["type"], **fields, **self.by
                )
                return
            if known.type != entry["type"]:
                raise Conflict(f"The type of {known.name} is {known.type} for good.", field="type")
            if known.status == FeatureStatus.SUSPENDED:
                raise Conflict(f"{known.name} is archived; unarchive it first.", field="id")
            self.features[entry["id"]] = features.update(feature_id=known.pk, **fields, **self.by)

    def _take_product(self, entry: Entry) -> None:
        """All of a product but its journey, which names plans that may come later."""
        fields: Any = {
            "name": entry["name"],
            "description": entry["description"],
            "multiple_subscriptions": entry["multiple_subscriptions"],
            "downgrade_time": entry["downgrade_takes_effect"],
            "cancellation_time": entry["cancellation"],
            "prorate_at_period_end": entry["prorate_at_period_end"],
            "usage_reset": entry["usage_reset"],
            "metadata": entry["metadata"],
        }
        known = self.products.get(entry["id"])
        with at_line(entry, {"public_id": "id"}):
            if known is not None and known.archived_at is not None:
                raise Conflict(f"{known.name} is archived; unarchive it first.", field="id")
            self.products[entry["id"]] = (
                products.update(product_id=known.pk, **fields, **self.by)
                if known
                else products.create(public_id=entry["id"], **fields, **self.by)
            )

    def _take_coupon(self, entry: Entry) -> None:
        """A coupon, whose discount is what it was when it was made."""
        fields: Any = {name: entry[name] for name in ("name", "description", "metadata")}
        discount = {name: entry[name] for name in DISCOUNT}
        known = self.coupons.get(entry["id"])
        with at_line(entry, {"public_id": "id"}):
            if known is None:
                self.coupons[entry["id"]] = coupons.create(
                    public_id=entry["id"], **discount, **fields, **self.by
                )
                return
            if known.archived_at is not None:
                raise Conflict(f"{known.name} is archived; unarchive it first.", field="id")
            kept = exporting.coupon_entry(known)
            for name, value in discount.items():
                if value != kept[name]:
                    raise Conflict(_promise(known), field=name)
            self.coupons[entry["id"]] = coupons.update(coupon_id=known.pk, **fields, **self.by)

    def _take_journey(self, entry: Entry) -> None:
        """The plans that a product's journey begins and ends with, once they are published."""
        named = {
            name: self._package(PackageKind.PLAN, entry[name], entry.line_of(name))
            for name in ("start_plan", "downgrade_plan")
            if entry[name] is not None
        }
        waiting = [plan for plan in named.values() if plan.live_id is None]
        if waiting:
            self.notes.append(
                f"The journey of {entry['name']} stays as it is until {waiting[0].name} is "
                "published; import the file again afterwards."
            )
            return
        with at_line(entry, {"start_setup": "start", "end_setup": "end"}):
            self.products[entry["id"]] = products.update(
                product_id=self.products[entry["id"]].pk,
                start_setup=entry["start"],
                start_plan=named.get("start_plan"),
                end_setup=entry["end"],
                downgrade_plan=named.get("downgrade_plan"),
                **self.by,
            )

    # Plans and add-ons

    def _begin(self, kind: PackageKind, entry: Entry) -> None:
        product = named(self.products, entry, "product", "product")
        with at_line(entry, {"public_id": "id"}):
            self.packages[kind, entry["id"]] = packages.create(
                kind=kind,
                product_id=product.pk,
                public_id=entry["id"],
                name=entry["name"],
                pricing_type=entry["pricing"],
                **self.by,
            )
        self._begun.add((kind, entry["id"]))

    def _fill(self, kind: PackageKind, entry: Entry) -> None:
        """Make the open draft say what the file says; open one if there is none."""
        package = self.packages[kind, entry["id"]]
        if package.product.public_id != entry["product"]:
            raise FileRefused(
                f"{package.name} belongs to the product {package.product.public_id} for good.",
                line=entry.line_of("product"),
            )
        section = exporting.SECTION_OF[kind]
        is_new = (kind, entry["id"]) in self._begun
        if package.draft_id is not None and not is_new:
            if self.edited[section].get(entry["id"]) == entry:
                self.notes.append(f"The draft of {package.name} says this already.")
                return
            self.notes.append(f"The open draft of {package.name} is written over.")
        with at_line(entry):
            if package.archived_at is not None:
                raise Conflict(f"{package.name} is archived; unarchive it first.", field="id")
            if package.draft_id is None:
                drafts.open_draft(package_id=package.pk, **self.by)
        package = self.packages[kind, entry["id"]] = _reloaded(package)
        assert package.draft is not None, "a draft was opened"
        stored = exporting.entries_of([package.draft.pk])[package.draft.pk]
        self._edit(package, stored, entry)
        if stored["entitlements"] != entry["entitlements"]:
            self._include(package, entry)
        self.drafts += 1

    def _edit(self, package: Package, stored: Entry, entry: Entry) -> None:
        """Details, prices and consumption, where they differ from what is `stored`."""
        names = {
            "pricing_type": "pricing",
            "dependencies": "depends_on",
            "trial_length": "trial",
            "trial_budget": "trial",
        }
        details: Any = {
            name: entry[name]
            for name in ("name", "description", "billing_id", "metadata", "hidden_from")
        }
        details["pricing_type"] = entry["pricing"]
        details["overage_billing_period"] = entry["overage_billing_period"]
        if package.kind == PackageKind.ADDON:
            details["max_quantity"] = entry["max_quantity"]
            details["dependencies"] = self._packages(entry, "depends_on")
        else:
            base = entry["base_plan"]
            details["base_plan"] = base and self._package(
                PackageKind.PLAN, base, entry.line_of("base_plan")
            )
            details["compatible_addons"] = self._packages(entry, "compatible_addons")
            details |= trial_fields(entry["trial"])
        with at_line(entry, names):
            packages.edit(package_id=package.pk, **details, **self.by)
        if stored["prices"] != entry["prices"]:
            charges = [self._charge(one) for one in entry["prices"]]
            with at_row(entry, "prices"):
                packages.edit(package_id=package.pk, charges=charges, **self.by)
        if stored["consumption"] != entry["consumption"]:
            mappings = [self._mapping(one) for one in entry["consumption"]]
            with at_row(entry, "consumption"):
                packages.edit(package_id=package.pk, mappings=mappings, **self.by)

    def _include(self, package: Package, entry: Entry) -> None:
        """Entitlements: what is not in the file goes, the rest becomes what it says, in order."""
        wanted = {target_of(one): one for one in entry["entitlements"]}
        if len(wanted) < len(entry["entitlements"]):
            raise twin(entry["entitlements"])
        draft = package.draft
        assert draft is not None, "a draft was opened"
        for own in draft.credit_entitlements.select_related("credit_type"):
            credit_type = own.credit_type
            is_archived = credit_type.archived_at is not None
            if is_archived or ("credits", credit_type.public_id) not in wanted:
                entitlements.exclude_credits(
                    package_id=package.pk, credit_type=credit_type, **self.by
                )
        for included in draft.feature_entitlements.select_related("feature"):
            if ("feature", included.feature.public_id) not in wanted:
                entitlements.exclude_feature(
                    package_id=package.pk, feature=included.feature, **self.by
                )
        known = [
            target_of(one) for one in exporting.entries_of([draft.pk])[draft.pk]["entitlements"]
        ]
        for place, (key, one) in enumerate(wanted.items(), start=1):
            with at_line(one, NAMES_OF_TERMS):
                self._agree(package, one, place, is_new=key not in known)

    def _agree(self, package: Package, one: Entry, place: int, *, is_new: bool) -> None:
        """Include what `one` says, or change its terms to that."""
        if "credits" in one:
            credit_type = self._credit_type(one, "credits")
            credit_terms: CreditTerms = {
                **entitlement_terms(one, place),  # type: ignore[typeddict-item]
                "amount": one["amount"],
                "cadence": one["cadence"],
                "linked_feature": self._feature(one, "per") if one["per"] else None,
            }
            if is_new:
                new: NewCredits | NewFeature = NewCredits(credit_type, credit_terms)
            else:
                entitlements.change_credits(
                    package_id=package.pk, credit_type=credit_type, **credit_terms, **self.by
                )
        else:
            feature = self._feature(one, "feature")
            feature_terms: FeatureTerms = {
                **entitlement_terms(one, place),  # type: ignore[typeddict-item]
                "usage_limit": one["limit"],
                "has_unlimited_usage": one["unlimited"],
                "enum_values": one["values"],
                "reset_period": one["reset_period"],
                "reset_configuration": reset_configuration(one["reset_according_to"]),
            }
            if is_new:
                new = NewFeature(feature, feature_terms)
            else:
                entitlements.change_feature(
                    package_id=package.pk, feature=feature, **feature_terms, **self.by
                )
        if is_new:
            entitlements.include(package_id=package.pk, entitlements=[new], **self.by)

    def _charge(self, one: Entry) -> NewCharge:
        return NewCharge(
            billing_model=one["model"],
            billing_period=one["period"],
            billing_cadence=one["cadence"],
            amount=one["amount"],
            currency=one["currency"],
            billing_country_code=one["country"],
            feature=self._feature(one, "feature") if one["feature"] else None,
            credit_type=self._credit_type(one, "credits") if one["credits"] else None,
            tiers_mode=one["tiers_mode"],
            tiers=[
                {
                    "up_to": tier["up_to"],
                    "unit_price": money(tier["unit_price"]),
                    "flat_price": money(tier["flat_price"]),
                }
                for tier in one["tiers"]
            ],
            block_size=one["block_size"],
            minimum_quantity=one["minimum_quantity"],
            maximum_quantity=one["maximum_quantity"],
            credit_grant_cadence=one["credit_grant_cadence"],
            reset_period=one["reset_period"],
            reset_configuration=reset_configuration(one["reset_according_to"]),
            is_overage=one["overage"],
        )

    def _mapping(self, one: Entry) -> NewMapping:
        return NewMapping(
            feature=self._feature(one, "feature"),
            credit_type=self._credit_type(one, "credits"),
            rate=one["rate"],
            formula=one["formula"],
        )

    # Publication

    def _in_order_of_publication(self) -> list[tuple[PackageKind, Entry]]:
        """Whatever a package names, before it: add-ons it depends on, its base plan."""
        ordered: dict[tuple[PackageKind, str], Entry] = {}

        def visit(section: str, public_id: str | None) -> None:
            kind = KINDS[section]
            entry = self.document[section].get(public_id or "")
            if entry is None or (kind, entry["id"]) in ordered:
                return
            for needed in entry.get("depends_on") or [entry.get("base_plan")]:
                visit(section, needed)
            ordered[kind, entry["id"]] = entry

        for section in KINDS:
            for public_id in self.document[section]:
                visit(section, public_id)
        return [(kind, entry) for (kind, _), entry in ordered.items()]

    def _publish(self, kind: PackageKind, entry: Entry) -> None:
        """Publish the draft if it says what the file does, and something new."""
        package = _reloaded(self.packages[kind, entry["id"]])
        section = exporting.SECTION_OF[kind]
        is_on_sale = self.on_sale[section].get(entry["id"]) == entry
        if package.draft_id is None or is_on_sale:
            return
        assert self.audience is not None, "publication was asked for"
        with at_line(entry):
            publishing.publish(package_id=package.pk, audience=self.audience, **self.by)
        self.packages[kind, entry["id"]] = _reloaded(package)
        self.published += 1


DISCOUNT = ("percent_off", "amounts_off", "duration_in_months")
NAMES_OF_TERMS = {
    "credit_type": "credits",
    "linked_feature": "per",
    "usage_limit": "limit",
    "has_unlimited_usage": "unlimited",
    "enum_values": "values",
    "is_custom": "custom",
    "is_granted": "granted",
    "has_soft_limit": "soft_limit",
    "display_name_override": "display_name",
}


def _promise(coupon: Coupon) -> str:
    """Why a discount stays, and what to do instead."""
    discount, duration = wording.discount(coupon), wording.duration(coupon).lower()
    return (
        f"The discount of {coupon.name} never changes: {discount}, {duration}. "
        "Make another coupon instead."
    )


def _reloaded(package: Package) -> Package:
    rows = Package.objects.select_related("product", "live", "draft")
    return rows.get(pk=package.pk)
