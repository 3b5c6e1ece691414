"""A row of a bulk change may mean the pool of a resource."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('credits', '0008_chapters'),
        ('subscriptions', '0014_results_added_up'),
    ]

    operations = [
        migrations.AddField(
            model_name='bulkrow',
            name='resource',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='subscriptions.resource'),
        ),
    ]
