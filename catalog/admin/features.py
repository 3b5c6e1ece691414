"""Features: the list, their page and forms (R7)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from catalog import archiving, features, wording
from catalog.admin.fields import Line, Metadata, Paragraph, an_id_field, as_choices, only_when
from catalog.admin.lists import ActiveFilter, code, names
from catalog.admin.rows import package_links
from catalog.features import EVENT_NAME, OPERATIONS, Condition, event_filters, event_name_of
from catalog.models import Aggregation, Feature, FeatureStatus, FeatureType, MeterType
from workspace.actors import Actor
from workspace.admin.base import Badge, DialogForm, DialogPage, ObjectPage, WorkspaceAdmin, button
from workspace.admin.pages import dress

FEWEST_FILTERS = 3
UNITS = ("unit_singular", "unit_plural")
OTHER_UNITS = ("shown_divided", "shown_rounded", "shown_unit", "shown_units")
BEHIND_FILTERS = (*UNITS, *OTHER_UNITS, "metadata")

NOT_METERED, REPORTED, EVENTS = "none", "reported", "events"
METERS = [
    (NOT_METERED, "Not metered"),
    (EVENTS, "By events that the application sends"),
    (REPORTED, "By values that the application reports"),
]


class FeatureForm(DialogForm):
    """A feature, its values or its meter. Filters stand in numbered rows of three inputs."""

    name = Line(
        max_length=255, widget=forms.TextInput(attrs={"placeholder": "AI Image Generation"})
    )
    description = Paragraph(max_length=255, required=False)
    type = forms.ChoiceField(choices=FeatureType.choices, initial=FeatureType.NUMBER)
    enum_values = forms.CharField(
        label="Values",
        required=False,
        widget=forms.Textarea,
        help_text="One per line, as value = shown name, such as gold = Gold support.",
    )
    meter = forms.ChoiceField(choices=METERS, initial=EVENTS, label="How is its use measured?")
    meter_type = forms.ChoiceField(
        label="Use",
        choices=[
            (MeterType.INCREMENTAL, "only grows within a period, like images generated"),
            (MeterType.FLUCTUATING, "goes up and down, like seats in use"),
        ],
        required=False,
    )
    event_name = Line(
        max_length=255,
        required=False,
        help_text="Events with exactly this name count.",
        widget=forms.TextInput(attrs={"placeholder": "image_generated", "autocapitalize": "none"}),
    )
    aggregation = forms.ChoiceField(
        choices=Aggregation.choices,
        required=False,
        help_text="Only counted or summed events can cost credits.",
    )
    aggregation_field = Line(
        label="Dimension",
        max_length=255,
        required=False,
        help_text="The field of the event that holds the number, such as tokens.",
    )
    unit_singular = Line(
        label="Unit (one)",
        max_length=64,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "image"}),
    )
    unit_plural = Line(
        label="Units (many)",
        max_length=64,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "images"}),
    )
    shown_divided = forms.IntegerField(
        label="Shown divided by",
        required=False,
        min_value=1,
        max_value=features.LARGEST_DIVISOR,
        help_text="To show use in other units, such as 1024 for bytes in KB. Empty: as counted.",
    )
    shown_rounded = forms.ChoiceField(
        label="Rounded", choices=[("UP", "Up"), ("DOWN", "Down")], required=False
    )
    shown_unit = Line(label="Shown unit (one)", max_length=64, required=False)
    shown_units = Line(label="Shown units (many)", max_length=64, required=False)
    metadata = Metadata()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        subject: Feature | None = kwargs.get("subject")
        super().__init__(*args, **kwargs)
        for name, field in _filter_fields(_extra_conditions(subject) if subject else []).items():
            self.fields[name] = field
            dress(field.widget)
        if subject is not None:
            self.fields["type"].disabled = True
        only_when(self.fields["enum_values"], "type", FeatureType.ENUM)
        only_when(self.fields["meter"], "type", FeatureType.NUMBER)
        only_when(self.fields["meter_type"], "meter", EVENTS, REPORTED)
        others = [value for value in Aggregation.values if value != Aggregation.COUNT]
        only_when(self.fields["aggregation_field"], "aggregation", *others)
        for name in ("event_name", "aggregation"):
            only_when(self.fields[name], "meter", EVENTS)

    def filter_rows(self) -> list[list[forms.BoundField]]:
        """The inputs of the filters, row by row, for the template."""
        return [
            [
                self[f"filter_field_{row}"],
                self[f"filter_operation_{row}"],
                self[f"filter_value_{row}"],
            ]
            for row in range(self._rows())
        ]

    def has_filters(self) -> bool:
        """Whether a row of the filters is filled, or wrong."""
        return any(
            field.errors or (field.value() and not field.name.startswith("filter_operation_"))
            for row in self.filter_rows()
            for field in row
        )

    def first_fields(self) -> list[forms.BoundField]:
        """The inputs before the filters."""
        return [
            field
            for field in self
            if not field.name.startswith("filter_") and field.name not in BEHIND_FILTERS
        ]

    def unit_fields(self) -> list[forms.BoundField]:
        """The inputs behind them: what use is counted in."""
        return [self[name] for name in UNITS]

    def other_unit_fields(self) -> list[forms.BoundField]:
        """What it is shown in, which few need."""
        return [self[name] for name in OTHER_UNITS]

    def has_other_units(self) -> bool:
        """Whether use is shown in other units, or wrongly so."""
        return bool(self["shown_divided"].value()) or any(
            field.errors for field in self.other_unit_fields()
        )

    def clean_enum_values(self) -> list[dict[str, str]]:
        """Lines of `value = shown name`."""
        values = []
        for line in self.cleaned_data["enum_values"].splitlines():
            if line.strip():
                value, _, shown = line.partition("=")
                values.append(
                    {"value": value.strip(), "displayName": shown.strip() or value.strip()}
                )
        return values

    def clean(self) -> dict[str, Any]:
        """Turn the meter's inputs into what the verbs know."""
        given = super().clean() or {}
        kind = given.get("type")
        given["enum_values"] = given.get("enum_values", []) if kind == FeatureType.ENUM else []
        if kind == FeatureType.ENUM and not given["enum_values"]:
            self.add_error("enum_values", "Enter at least one value.")
        meter = given.pop("meter", NOT_METERED) if kind == FeatureType.NUMBER else NOT_METERED
        given.pop("meter", None)
        given["unit_transformation"] = self._other_units(given, kind)
        event_name = given.pop("event_name", "")
        conditions = self._conditions(given)
        if meter == EVENTS:
            if not event_name and "event_name" not in self.errors:
                self.add_error("event_name", "Enter the name of the events.")
            given["meter_filters"] = event_filters(event_name, conditions)
            if given.get("aggregation") == Aggregation.COUNT:
                given["aggregation_field"] = ""
        else:
            given |= {"aggregation": "", "aggregation_field": "", "meter_filters": []}
        if meter == NOT_METERED:
            given["meter_type"] = MeterType.NONE
        return given

    def _other_units(self, given: dict[str, Any], kind: str | None) -> dict[str, Any] | None:
        divided, rounded, unit, units = (
            given.pop(f"shown_{part}", None) for part in ("divided", "rounded", "unit", "units")
        )
        if divided is None or kind != FeatureType.NUMBER:
            return None
        return features.in_other_units(divided, rounding=rounded or "UP", unit=unit, units=units)

    def _rows(self) -> int:
        return sum(name.startswith("filter_field_") for name in self.fields)

    def _conditions(self, given: dict[str, Any]) -> list[Condition]:
        """The filled rows of filters."""
        conditions: list[Condition] = []
        for row in range(self._rows()):
            field, operation, value = (
                given.pop(f"filter_{part}_{row}", "") for part in ("field", "operation", "value")
            )
            if not field:
                if value:
                    self.add_error(f"filter_field_{row}", "Name the dimension.")
                continue
            condition: Condition = {"field": field, "operation": operation or "EQUALS"}
            if operation == "IN":
                condition["values"] = [part.strip() for part in value.split(",") if part.strip()]
            elif value:
                condition["value"] = value
            conditions.append(condition)
        return conditions


class NewFeatureForm(FeatureForm):
    """A feature with the ID and type it will keep (R1, R7)."""

    public_id = an_id_field("feature")
    field_order = ["name", "public_id"]


class AddFeature(DialogPage):
    """Create a feature (R7)."""

    name = "add"
    is_about_one = False
    permission = "catalog.add_feature"
    form_class = NewFeatureForm
    template_name = "admin/catalog/feature/form.html"
    title = "New feature"
    question = "Something your product can do, on or off, limited by a number, or one of several."
    confirm_label = "Create feature"

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Create it."""
        created = features.create(**form.cleaned_data, actor=actor, now=now)
        return f"{created.name} is created."


class EditFeature(DialogPage):
    """Change a feature or its meter (R7)."""

    name = "edit"
    permission = "catalog.change_feature"
    form_class = FeatureForm
    template_name = "admin/catalog/feature/form.html"
    object: Feature

    @property
    def title(self) -> str:
        """The heading."""
        return f"Edit {self.object.name}"

    def initial(self) -> dict[str, Any]:
        """What it is now."""
        feature = self.object
        meter = REPORTED if feature.is_metered else NOT_METERED
        initial = {
            name: getattr(feature, name)
            for name in (
                "name",
                "description",
                "type",
                "meter_type",
                "aggregation",
                "aggregation_field",
                "unit_singular",
                "unit_plural",
                "metadata",
            )
        }
        shown = feature.unit_transformation or {}
        initial |= {
            "shown_divided": shown.get("divide"),
            "shown_rounded": shown.get("round", "UP"),
            "shown_unit": shown.get("featureUnits") or "",
            "shown_units": shown.get("featureUnitsPlural") or "",
        }
        initial["meter"] = EVENTS if feature.is_event_based else meter
        initial["event_name"] = event_name_of(feature)
        initial["enum_values"] = "\n".join(
            f"{choice['value']} = {choice.get('displayName') or choice['value']}"
            for choice in feature.enum_values
        )
        for row, condition in enumerate(_extra_conditions(feature)):
            initial[f"filter_field_{row}"] = condition["field"]
            initial[f"filter_operation_{row}"] = condition["operation"]
            initial[f"filter_value_{row}"] = condition.get("value") or ", ".join(
                condition.get("values", [])
            )
        return initial

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Save the changes. A meter with several groups of filters is left as it is."""
        changes = {name: value for name, value in form.cleaned_data.items() if name != "type"}
        if len(self.object.meter_filters) > 1:
            changes.pop("meter_filters")
        features.update(feature_id=self.object.pk, **changes, actor=actor, now=now)
        return f"{form.cleaned_data['name']} is saved."


class FeaturePage(ObjectPage):
    """A feature, its meter, and the packages that use it."""

    name = "change"
    label = "Overview"
    template_name = "admin/catalog/overview.html"
    object: Feature

    def content(self) -> dict[str, Any]:
        """Facts and uses."""
        feature = self.object
        return {
            "facts": [
                ("ID", feature.public_id),
                ("Description", feature.description),
                ("Type", feature.get_type_display()),
                (
                    "Values",
                    ", ".join(
                        choice.get("displayName") or choice["value"]
                        for choice in feature.enum_values
                    ),
                ),
                ("Meter", wording.meter(feature)),
                ("Events", _filters_in_words(feature)),
                ("Units", " / ".join(filter(None, [feature.unit_singular, feature.unit_plural]))),
                ("Shown", wording.shown_units(feature)),
                *feature.metadata.items(),
            ],
            "noun": "feature",
            "packages": package_links(archiving.packages_using_feature(feature)),
        }


class FeatureStatusFilter(ActiveFilter):
    """Archived features have a status instead of a date."""

    def active(self, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        """All but the archived ones."""
        return queryset.exclude(status=FeatureStatus.SUSPENDED)

    def archived(self, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        """The archived ones."""
        return queryset.filter(status=FeatureStatus.SUSPENDED)


@admin.register(Feature)
class FeatureAdmin(WorkspaceAdmin):
    """Product Catalog → Features."""

    pages = [FeaturePage, AddFeature, EditFeature]
    list_display = ["name", "id_column", "type_column", "meter", "units", "used_in", "state"]
    list_filter = [FeatureStatusFilter, "type", "meter_type"]
    search_fields = ["name", "public_id", "description"]
    search_help_text = "Search by name or ID"
    add_label = "Add feature"
    empty_title = "No features yet"
    empty_text = "Describe what your product can do, and what its use costs in credits."

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing of the catalog is deleted; it is archived."""
        return False

    def complete(self, rows: Sequence[Any]) -> None:
        """With where they are used."""
        users = archiving.packages_using_features(row.pk for row in rows)
        for row in rows:
            row.users = users[row.pk]

    def badges(self, obj: Feature) -> list[Badge]:
        """Archived or active."""
        return [_badge(obj)]

    @display(description="ID", ordering="public_id")
    def id_column(self, obj: Feature) -> SafeString:
        """The ID."""
        return code(obj.public_id)

    @display(description="Type", ordering="type")
    def type_column(self, obj: Feature) -> str:
        """Boolean, number or list."""
        return obj.get_type_display()

    @display(description="Meter")
    def meter(self, obj: Feature) -> str:
        """How its use is measured."""
        return wording.meter(obj)

    @display(description="Units", ordering="unit_plural")
    def units(self, obj: Feature) -> str | None:
        """The unit of many."""
        return obj.unit_plural or None

    @display(description="Used in")
    def used_in(self, obj: Any) -> SafeString | str:
        """Plans and add-ons on sale."""
        return names(obj.users)

    @display(
        description="Status", label={"Active": "success", "New": "info", "Archived": "default"}
    )
    def state(self, obj: Feature) -> str:
        """New, active or archived."""
        return obj.get_status_display()

    @button(
        "Archive",
        permission="catalog.archive_feature",
        icon="archive",
        is_dangerous=True,
        is_available=lambda feature: feature.status != FeatureStatus.SUSPENDED,
        description="Plans and add-ons cannot name it any more. Nothing is lost.",
    )
    def archive(self, feature: Feature, actor: Actor, now: datetime) -> str:
        """Retire it."""
        archiving.archive_feature(feature_id=feature.pk, actor=actor, now=now)
        return f"{feature.name} is archived."

    @button(
        "Unarchive",
        permission="catalog.archive_feature",
        icon="unarchive",
        is_available=lambda feature: feature.status == FeatureStatus.SUSPENDED,
        description="Plans and add-ons can name it again.",
    )
    def unarchive(self, feature: Feature, actor: Actor, now: datetime) -> str:
        """Bring it back."""
        archiving.unarchive_feature(feature_id=feature.pk, actor=actor, now=now)
        return f"{feature.name} is active again."


def _badge(feature: Feature) -> Badge:
    tones = {FeatureStatus.ACTIVE: "success", FeatureStatus.NEW: "info"}
    return Badge(feature.get_status_display(), tones.get(FeatureStatus(feature.status), "neutral"))


def _extra_conditions(feature: Feature) -> list[Condition]:
    """The conditions of its meter beside the event's name."""
    if len(feature.meter_filters) != 1:
        return []
    conditions: list[Condition] = feature.meter_filters[0]["conditions"]
    return [condition for condition in conditions if condition["field"] != EVENT_NAME]


def _filter_fields(conditions: Sequence[Condition]) -> dict[str, forms.Field]:
    """Inputs for the filters there are, and some empty rows."""
    fields: dict[str, forms.Field] = {}
    for row in range(max(FEWEST_FILTERS, len(conditions) + 1)):
        label = f"Filter {row + 1}"
        fields[f"filter_field_{row}"] = Line(
            label=f"{label}: dimension",
            required=False,
            max_length=255,
            widget=forms.TextInput(
                attrs={"placeholder": "size", "aria-label": f"{label}: dimension"}
            ),
        )
        fields[f"filter_operation_{row}"] = forms.ChoiceField(
            label=f"{label}: comparison",
            required=False,
            choices=as_choices(list(OPERATIONS.items()))[1:],
            widget=forms.Select(attrs={"aria-label": f"{label}: comparison"}),
        )
        fields[f"filter_value_{row}"] = Line(
            label=f"{label}: value",
            required=False,
            max_length=1000,
            widget=forms.TextInput(attrs={"placeholder": "large", "aria-label": f"{label}: value"}),
        )
    return fields


def _filters_in_words(feature: Feature) -> str:
    """The filters in words: "event is image and size is large, or …"."""
    groups = []
    for group in feature.meter_filters:
        conditions = []
        for condition in group["conditions"]:
            value = condition.get("value") or ", ".join(condition.get("values", []))
            field = "event" if condition["field"] == EVENT_NAME else condition["field"]
            conditions.append(f"{field} {OPERATIONS[condition['operation']]} {value}".strip())
        groups.append(" and ".join(conditions))
    return ", or ".join(groups)
