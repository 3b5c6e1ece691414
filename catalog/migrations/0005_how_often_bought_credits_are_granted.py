from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0004_resets_and_overage_of_prices")]

    operations = [
        migrations.AlterField(
            "charge",
            "credit_grant_cadence",
            models.CharField(
                blank=True,
                choices=[
                    ("BEGINNING_OF_BILLING_PERIOD", "Up front, for the billing period"),
                    ("MONTHLY", "Every month"),
                ],
                max_length=32,
            ),
        ),
    ]
