"""Lists of subscriptions, by order and by status, take an index."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0004_resets_and_overage_of_prices'),
        ('subscriptions', '0009_customer_search'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='subscription',
            index=models.Index(fields=['-created_at', '-id'], name='subscription_newest_first'),
        ),
        migrations.AddIndex(
            model_name='subscription',
            index=models.Index(fields=['started_at'], name='subscriptions_by_start'),
        ),
        migrations.AddIndex(
            model_name='subscription',
            index=models.Index(fields=['ends_at'], name='subscriptions_by_end'),
        ),
        migrations.AddIndex(
            model_name='subscription',
            index=models.Index(condition=models.Q(('payment_pending', True)), fields=['-created_at', '-id'], name='subscriptions_awaiting_payment'),
        ),
        migrations.AddIndex(
            model_name='subscription',
            index=models.Index(condition=models.Q(('trial_ends_at__isnull', False)), fields=['trial_ends_at'], name='subscriptions_by_trial_end'),
        ),
    ]
