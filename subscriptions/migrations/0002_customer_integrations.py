"""Links of customers to other systems get rows of their own."""

import django.db.models.deletion
from django.db import migrations, models

import workspace.ids

VENDORS = [
    ("AUTH0", "Auth0"),
    ("ZUORA", "Zuora"),
    ("STRIPE", "Stripe"),
    ("HUBSPOT", "HubSpot"),
    ("AWS_MARKETPLACE", "AWS Marketplace"),
    ("SNOWFLAKE", "Snowflake"),
    ("SALESFORCE", "Salesforce"),
    ("BIG_QUERY", "BigQuery"),
    ("OPEN_FGA", "OpenFGA"),
    ("APP_STORE", "App Store"),
    ("RECEIVED", "Received"),
    ("PREQUEL", "Prequel"),
    ("AIRWALLEX", "Airwallex"),
    ("STRIPE_INVOICING", "Stripe Invoicing"),
]


def to_rows(apps, schema_editor):
    """Move the links out of the customers; of two through one integration the last counts."""
    customer_model = apps.get_model("subscriptions", "Customer")
    link_model = apps.get_model("subscriptions", "CustomerIntegration")
    for customer in customer_model.objects.exclude(listed_integrations=[]).iterator():
        links = {link["id"]: link for link in customer.listed_integrations}
        link_model.objects.bulk_create(
            link_model(
                customer=customer,
                public_id=public_id,
                vendor=link["vendorIdentifier"],
                synced_entity_id=link.get("syncedEntityId") or "",
                created_at=customer.created_at,
            )
            for public_id, link in links.items()
        )


def to_lists(apps, schema_editor):
    """Move the links back."""
    customer_model = apps.get_model("subscriptions", "Customer")
    linked = customer_model.objects.filter(integrations__isnull=False).distinct()
    for customer in linked.iterator():
        customer.listed_integrations = [
            {
                "id": link.public_id,
                "syncedEntityId": link.synced_entity_id or None,
                "vendorIdentifier": link.vendor,
            }
            for link in customer.integrations.order_by("pk")
        ]
        customer.save(update_fields=["listed_integrations"])


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0001_initial")]

    operations = [
        migrations.RenameField("customer", "integrations", "listed_integrations"),
        migrations.CreateModel(
            name="CustomerIntegration",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("public_id", workspace.ids.PublicIdField(max_length=255, verbose_name="ID")),
                ("vendor", models.CharField(choices=VENDORS, max_length=32)),
                ("synced_entity_id", models.CharField(blank=True, max_length=255)),
                ("created_at", models.DateTimeField(editable=False)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="integrations",
                        to="subscriptions.customer",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("customer", "public_id"),
                        name="one_link_per_customer_and_integration",
                    )
                ],
            },
        ),
        migrations.RunPython(to_rows, to_lists),
        migrations.RemoveField("customer", "listed_integrations"),
    ]
