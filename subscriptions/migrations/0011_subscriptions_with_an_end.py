"""Subscriptions that end are listed by index."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0004_resets_and_overage_of_prices'),
        ('subscriptions', '0010_subscriptions_in_order'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='subscription',
            index=models.Index(condition=models.Q(('ends_at__isnull', False)), fields=['-created_at', '-id'], name='subscriptions_with_an_end'),
        ),
    ]
