"""API keys, without the keys themselves."""

from datetime import datetime

from django.db import models


class KeyKind(models.TextChoices):
    """How much an API key opens."""

    FULL = "FULL", "Full access"
    READ_ONLY = "READ_ONLY", "Read-only"
    SCOPED = "SCOPED", "Scoped"
    PUBLISHABLE = "PUBLISHABLE", "Publishable"


class Area(models.TextChoices):
    """A part of the API that scoped keys open by itself."""

    CATALOG = "catalog", "Catalog"
    CUSTOMERS = "customers", "Customers"
    SUBSCRIPTIONS = "subscriptions", "Subscriptions"
    CREDITS = "credits", "Credits"
    USAGE = "usage", "Usage and events"
    ACCESS = "access", "Access checks"
    EXPORTS = "exports", "Data exports"


class ApiKey(models.Model):
    """A key of an application. The key itself is not here and cannot be had again (X2).

    `lookup` is the public middle part of the key and its id everywhere; `key_hash` is
    what `workspace/keys.py` compares. Both are set once. `scopes` are words such as
    "credits:write", parted by spaces, of a scoped key. A key that was replaced by another
    opens nothing from `ends_at` on.
    """

    name = models.CharField(max_length=255, help_text="What it is for, such as “Billing service”.")
    kind = models.CharField(max_length=16, choices=KeyKind, default=KeyKind.FULL)
    scopes = models.CharField(max_length=255, blank=True, editable=False)
    lookup = models.CharField(max_length=16, unique=True, editable=False)
    key_hash = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField("created", editable=False)
    last_used_at = models.DateTimeField("last used", null=True, editable=False)
    ends_at = models.DateTimeField("ends", null=True, editable=False)
    revoked_at = models.DateTimeField("revoked", null=True, editable=False)

    class Meta:
        verbose_name = "API key"
        ordering = ["-created_at", "-id"]
        default_permissions = ["add", "view"]
        permissions = [
            ("revoke_apikey", "Can revoke API key"),
            ("rotate_apikey", "Can rotate API key"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=KeyKind.values), name="key_kind_is_known"
            ),
            models.CheckConstraint(
                condition=models.Q(kind=KeyKind.SCOPED) & ~models.Q(scopes="")
                | ~models.Q(kind=KeyKind.SCOPED) & models.Q(scopes=""),
                name="scoped_keys_alone_have_scopes",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def is_usable(self, now: datetime) -> bool:
        """Whether it opens anything at `now`."""
        return self.revoked_at is None and (self.ends_at is None or now < self.ends_at)

    @property
    def activity_subject(self) -> tuple[str, str]:
        """Under which kind and id records remember it."""
        return ("apikey", self.lookup)
