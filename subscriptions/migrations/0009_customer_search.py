"""Customers are found by the words of their name, ID and email, and sorted by index."""

import django.db.models.deletion
from django.db import migrations, models

import subscriptions.models.customers
from subscriptions.searching import SEARCHED, words_of

AT_ONCE = 2000


def find_words(apps, schema_editor):
    """Write down the words of the customers who are there."""
    customer_model = apps.get_model("subscriptions", "Customer")
    word_model = apps.get_model("subscriptions", "CustomerWord")
    waiting = []
    for customer in customer_model.objects.only(*SEARCHED).order_by("pk").iterator(AT_ONCE):
        waiting += [word_model(customer=customer, word=word) for word in sorted(words_of(customer))]
        if len(waiting) >= AT_ONCE:
            word_model.objects.bulk_create(waiting)
            waiting = []
    word_model.objects.bulk_create(waiting)


class Migration(migrations.Migration):
    dependencies = [
        ("subscriptions", "0008_subscription_imports"),
    ]

    operations = [
        migrations.CreateModel(
            name="CustomerWord",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "word",
                        "customer_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("word", subscriptions.models.customers.WordField(max_length=64)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="words",
                        to="subscriptions.customer",
                    ),
                ),
            ],
            options={"default_permissions": ()},
        ),
        migrations.RunPython(find_words, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="customer",
            index=models.Index(
                condition=models.Q(("archived_at__isnull", False)),
                fields=["-created_at", "-id"],
                name="archived_customers",
            ),
        ),
        migrations.AddIndex(
            model_name="customer",
            index=models.Index(fields=["name"], name="customers_by_name"),
        ),
        migrations.AddIndex(
            model_name="customer",
            index=models.Index(fields=["email"], name="customers_by_email"),
        ),
    ]
