from typing import ClassVar

from django.db import models


class KeyKind(models.TextChoices):
    """How much an API key opens."""

    FULL = "FULL", "Full access"
    READ_ONLY = "READ_ONLY", "Read-only"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self) -> "ApiKeyQuerySet":
        """Keys that still open anything."""
        return self.filter(revoked_at=None)


class ApiKey(models.Model):
    """A key of an application. The key itself is not here and cannot be had again (X2).

    `lookup` is the public middle part of the key and its id everywhere; `key_hash` is
    what `workspace/keys.py` compares. Both are set once.
    """

    name = models.CharField(max_length=255, help_text="What it is for, such as “Billing service”.")
    kind = models.CharField(max_length=16, choices=KeyKind, default=KeyKind.FULL)
    lookup = models.CharField(max_length=16, unique=True, editable=False)
    key_hash = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField("created", editable=False)
    last_used_at = models.DateTimeField("last used", null=True, editable=False)
    revoked_at = models.DateTimeField("revoked", null=True, editable=False)

    objects: ClassVar[models.Manager["ApiKey"]] = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        ordering = ["-created_at", "-id"]
        default_permissions = ["add", "view"]
        permissions = [("revoke_apikey", "Can revoke API key")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=KeyKind.values), name="key_kind_is_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def activity_subject(self) -> tuple[str, str]:
        """Under which kind and id records remember it."""
        return ("apikey", self.lookup)
