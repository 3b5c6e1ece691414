"""Plans and add-ons, their drafts and published versions (R5, R6, R8)."""

from typing import Self

from django.db import models
from django.db.models import Q

from catalog.models.prices import OverageBilling
from workspace.ids import PublicIdField
from workspace.json import ExactEncoder


class PackageKind(models.TextChoices):
    """A tier of a product, or an extension of one."""

    PLAN = "PLAN", "Plan"
    ADDON = "ADDON", "Add-on"


class PricingType(models.TextChoices):
    """How a package is paid for (R5)."""

    FREE = "FREE", "Free"
    PAID = "PAID", "Paid"
    CUSTOM = "CUSTOM", "Custom"


class TrialUnit(models.TextChoices):
    """The unit in which a trial is counted."""

    DAY = "DAY", "days"
    MONTH = "MONTH", "months"


class TrialEnd(models.TextChoices):
    """What follows a trial (R5)."""

    CONVERT_TO_PAID = "CONVERT_TO_PAID", "Convert to paid"
    CANCEL_SUBSCRIPTION = "CANCEL_SUBSCRIPTION", "Cancel"


class PackageQuerySet(models.QuerySet["Package"]):
    """Answers about plans and add-ons."""

    def plans(self) -> Self:
        """Only plans."""
        return self.filter(kind=PackageKind.PLAN)

    def addons(self) -> Self:
        """Only add-ons."""
        return self.filter(kind=PackageKind.ADDON)

    def active(self) -> Self:
        """Those not archived, published or not."""
        return self.filter(archived_at=None)

    def on_sale(self) -> Self:
        """Those a new subscription may name: published and not archived."""
        return self.active().exclude(live=None)


class Package(models.Model):
    """A plan or an add-on: its lasting identity, of which versions are published.

    `live` is the latest published version, `draft` the version being edited; both are
    moved by `catalog.drafts` and `catalog.publishing` alone.
    """

    public_id = PublicIdField("ID")
    kind = models.CharField(max_length=8, choices=PackageKind, editable=False)
    product = models.ForeignKey("catalog.Product", models.PROTECT, related_name="packages")
    live = models.OneToOneField(
        "catalog.PackageVersion", models.PROTECT, null=True, editable=False, related_name="+"
    )
    draft = models.OneToOneField(
        "catalog.PackageVersion", models.SET_NULL, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)
    archived_at = models.DateTimeField(null=True, editable=False)

    objects = PackageQuerySet.as_manager()

    class Meta:
        ordering = ["public_id", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "public_id"],
                name="one_package_per_kind_and_id",
                violation_error_message="Another one has this ID already.",
            ),
        ]
        permissions = [
            ("publish_package", "Can publish plans and add-ons"),
            ("archive_package", "Can archive and unarchive plans and add-ons"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def activity_subject(self) -> tuple[str, str]:
        """Under which kind and id records remember it: a plan and an add-on may share an ID."""
        return (self.kind.lower(), self.public_id)

    @property
    def current(self) -> "PackageVersion":
        """The draft if one is open, else the live version: what an editor looks at."""
        version = self.draft or self.live
        assert version is not None, "a package has a draft from its first moment"
        return version

    @property
    def name(self) -> str:
        """What customers see today, or the draft's name before the first publication."""
        version = self.live or self.draft
        return version.name if version else self.public_id


class PlanManager(models.Manager.from_queryset(PackageQuerySet)):  # type: ignore[misc]
    """Only plans."""

    def get_queryset(self) -> PackageQuerySet:
        """Packages of the kind plan."""
        plans: PackageQuerySet = super().get_queryset().filter(kind=PackageKind.PLAN)
        return plans


class AddonManager(models.Manager.from_queryset(PackageQuerySet)):  # type: ignore[misc]
    """Only add-ons."""

    def get_queryset(self) -> PackageQuerySet:
        """Packages of the kind add-on."""
        addons: PackageQuerySet = super().get_queryset().filter(kind=PackageKind.ADDON)
        return addons


class Plan(Package):
    """A package seen as a plan: its own screens and permissions, the same rows."""

    objects = PlanManager()  # type: ignore[misc]

    class Meta:
        proxy = True


class Addon(Package):
    """A package seen as an add-on: its own screens and permissions, the same rows."""

    objects = AddonManager()  # type: ignore[misc]

    class Meta:
        proxy = True
        verbose_name = "add-on"


class PackageVersionQuerySet(models.QuerySet["PackageVersion"]):
    """Answers about versions."""

    def current(self) -> Self:
        """Live versions and open drafts; not those that were replaced."""
        return self.filter(Q(published_at=None) | Q(package__live_id=models.F("pk")))

    def in_force(self) -> Self:
        """Live versions of packages that are not archived."""
        return self.filter(package__live_id=models.F("pk"), package__archived_at=None)


class PackageVersion(models.Model):
    """What a package includes: an open draft, or version `number` as published (R8).

    Published versions and everything that hangs on them never change: the database
    refuses it (`catalog.guards`). `revision` counts the edits of a draft, so that a
    second editor is told instead of overwritten.
    """

    package = models.ForeignKey(Package, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(null=True, editable=False)
    name = models.CharField(max_length=255)
    description = models.CharField(max_length=255, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    billing_id = models.CharField(max_length=255, blank=True)
    pricing_type = models.CharField(max_length=8, choices=PricingType, blank=True)
    base_plan = models.ForeignKey(
        Package, models.PROTECT, null=True, blank=True, related_name="derived_versions"
    )
    base_version = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        help_text="The base plan's version as it was at publication: what is inherited.",
    )
    compatible_addons = models.ManyToManyField(
        Package, blank=True, related_name="compatible_versions"
    )
    dependencies = models.ManyToManyField(Package, blank=True, related_name="dependent_versions")
    trial_length = models.PositiveIntegerField(null=True, blank=True)
    trial_unit = models.CharField(max_length=8, choices=TrialUnit, blank=True)
    trial_end = models.CharField(max_length=24, choices=TrialEnd, blank=True)
    trial_budget = models.JSONField(
        null=True,
        blank=True,
        encoder=ExactEncoder,
        help_text="The most that may be spent in a trial, as the API hands it over.",
    )
    max_quantity = models.PositiveIntegerField(
        null=True, blank=True, help_text="1: single instance. Empty: any number."
    )
    overage_billing_period = models.CharField(max_length=24, choices=OverageBilling, blank=True)
    hidden_from = models.JSONField(default=list, blank=True)
    revision = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)
    published_at = models.DateTimeField(null=True, editable=False)
    published_by = models.CharField(max_length=255, blank=True, editable=False)
    audience = models.CharField(max_length=16, blank=True, editable=False)

    objects = PackageVersionQuerySet.as_manager()

    task_id: str | None = None
    """Of a version just published: the work that it leaves to others (R12)."""

    class Meta:
        ordering = ["package_id", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["package"],
                condition=Q(published_at=None),
                name="one_open_draft_per_package",
            ),
            models.UniqueConstraint(
                fields=["package", "number"], name="one_version_per_package_and_number"
            ),
            models.CheckConstraint(
                condition=Q(published_at=None, number=None)
                | Q(published_at__isnull=False, number__isnull=False, number__gte=1),
                name="published_versions_are_numbered",
            ),
            models.CheckConstraint(
                condition=Q(trial_length=None, trial_unit="", trial_end="")
                | (
                    Q(trial_length__isnull=False, trial_length__gte=1)
                    & ~Q(trial_unit="")
                    & ~Q(trial_end="")
                ),
                name="trials_are_whole",
                violation_error_message="A trial needs a length, a unit and what follows it.",
            ),
            models.CheckConstraint(
                condition=Q(max_quantity=None) | Q(max_quantity__gte=1),
                name="maximum_quantity_is_positive",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {f'v{self.number}' if self.number else '(draft)'}"
