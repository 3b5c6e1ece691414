"""Customers, and the resources inside them."""

from typing import Any, Self

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Q

from workspace.ids import PublicIdField

LONGEST_WORD = 64
"""Of a word that customers are found by, with what follows it."""


class Vendor(models.TextChoices):
    """The systems of others that a customer may be linked to."""

    AUTH0 = "AUTH0", "Auth0"
    ZUORA = "ZUORA", "Zuora"
    STRIPE = "STRIPE", "Stripe"
    HUBSPOT = "HUBSPOT", "HubSpot"
    AWS_MARKETPLACE = "AWS_MARKETPLACE", "AWS Marketplace"
    SNOWFLAKE = "SNOWFLAKE", "Snowflake"
    SALESFORCE = "SALESFORCE", "Salesforce"
    BIG_QUERY = "BIG_QUERY", "BigQuery"
    OPEN_FGA = "OPEN_FGA", "OpenFGA"
    APP_STORE = "APP_STORE", "App Store"
    RECEIVED = "RECEIVED", "Received"
    PREQUEL = "PREQUEL", "Prequel"
    AIRWALLEX = "AIRWALLEX", "Airwallex"
    STRIPE_INVOICING = "STRIPE_INVOICING", "Stripe Invoicing"


class CustomerQuerySet(models.QuerySet["Customer"]):
    """Answers about customers."""

    def active(self) -> Self:
        """Those not archived."""
        return self.filter(archived_at=None)


class Customer(models.Model):
    """Whoever buys: a company or a person, known by an id of the application's choice.

    `payment_method` and `passthrough` are kept as callers of the API sent them, for whoever
    bills; nothing here reads them.
    """

    public_id = PublicIdField("ID", unique=True)
    name = models.CharField(max_length=255, blank=True)
    email = models.EmailField(blank=True)
    billing_id = models.CharField(max_length=255, blank=True)
    billing_currency = models.CharField(max_length=3, blank=True)
    language = models.CharField(max_length=64, blank=True)
    timezone = models.CharField(max_length=64, blank=True)
    coupon_id = models.CharField(max_length=255, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    payment_method = models.JSONField(null=True, blank=True, editable=False)
    passthrough = models.JSONField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)
    archived_at = models.DateTimeField(null=True, editable=False)

    objects = CustomerQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="customer_newest_first"),
            models.Index(
                fields=["-created_at", "-id"],
                condition=Q(archived_at__isnull=False),
                name="archived_customers",
            ),
            models.Index(fields=["name"], name="customers_by_name"),
            models.Index(fields=["email"], name="customers_by_email"),
        ]
        permissions = [("archive_customer", "Can archive and unarchive customers")]

    def __str__(self) -> str:
        return self.name or self.public_id


class WordField(models.CharField):
    """A text that sorts by its characters everywhere, so that an index finds beginnings."""

    def db_parameters(self, connection: BaseDatabaseWrapper) -> dict[str, Any]:
        """SQLite sorts so by itself."""
        collation = "C" if connection.vendor == "postgresql" else None
        return {**super().db_parameters(connection), "collation": collation}


class CustomerWordQuerySet(models.QuerySet["CustomerWord"]):
    """Answers about words."""

    def beginning_with(self, beginning: str) -> Self:
        """Those of letters, digits and blanks that begin so."""
        return self.filter(word__gte=beginning, word__lt=f"{beginning}\U0010ffff")


class CustomerWord(models.Model):
    """A word by which a customer is found; only `subscriptions.searching` writes it."""

    pk = models.CompositePrimaryKey("word", "customer_id")
    word = WordField(max_length=LONGEST_WORD)
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="words")

    objects = CustomerWordQuerySet.as_manager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.word


class CustomerIntegration(models.Model):
    """The record of another system that stands for a customer there.

    `public_id` names the connection to that system, `synced_entity_id` the record in it;
    empty while that is not known.
    """

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="integrations")
    public_id = PublicIdField("ID")
    vendor = models.CharField(max_length=32, choices=Vendor)
    synced_entity_id = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(editable=False)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "public_id"], name="one_link_per_customer_and_integration"
            )
        ]

    def __str__(self) -> str:
        return self.public_id


class Resource(models.Model):
    """A workspace or project inside a customer, with credits of its own (R42)."""

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="resources")
    public_id = PublicIdField("ID")
    created_at = models.DateTimeField(editable=False)

    class Meta:
        ordering = ["public_id"]
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "public_id"], name="one_resource_per_customer_and_id"
            )
        ]

    def __str__(self) -> str:
        return self.public_id
