"""Grants that were bought or given are found by the beginning of their name."""

import credits.models.grants
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('credits', '0004_bulk_changes'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='grant',
            index=models.Index(credits.models.grants.PlainName(), condition=models.Q(('type__in', ['PAID', 'PROMOTIONAL'])), name='given_grants_by_name'),
        ),
    ]
