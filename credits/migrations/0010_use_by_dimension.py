"""Chapters are added up by dimension, too: those that were added up before, once more."""

import catalog.amounts
import django.db.models.deletion
from decimal import Decimal
from django.db import migrations, models


def forget_sums(apps, schema_editor):
    """Let the worker add up everything again; readers manage without."""
    apps.get_model('credits', 'ChapterSum').objects.all().delete()


class Migration(migrations.Migration):

    dependencies = [
        ('credits', '0009_bulk_rows_of_resources'),
    ]

    operations = [
        migrations.CreateModel(
            name='DimensionSum',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('ends_with', models.BigIntegerField()),
                ('place', models.PositiveIntegerField()),
                ('key', models.CharField(max_length=255)),
                ('value', models.TextField()),
                ('used_in', models.DateTimeField(null=True)),
                ('amount', catalog.amounts.AmountField(default=Decimal('0'))),
                ('pool', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='credits.pool')),
            ],
            options={
                'ordering': ['pool_id', 'ends_with', 'place'],
                'indexes': [models.Index(fields=['pool', 'key', 'used_in'], name='sums_by_dimension')],
                'constraints': [models.UniqueConstraint(fields=('pool', 'ends_with', 'place'), name='a_chapter_is_parted_once')],
            },
        ),
        migrations.RunPython(forget_sums, migrations.RunPython.noop),
    ]
