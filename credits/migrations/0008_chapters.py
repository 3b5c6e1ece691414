"""Long ledgers are added up chapter by chapter, and their rare entries found by index."""

import catalog.amounts
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.lookups
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0004_resets_and_overage_of_prices'),
        ('credits', '0007_what_home_counts'),
    ]

    operations = [
        migrations.CreateModel(
            name='ChapterSum',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('ends_with', models.BigIntegerField()),
                ('place', models.PositiveIntegerField()),
                ('type', models.CharField(choices=[('CREDITS_GRANTED', 'CREDITS_GRANTED'), ('CREDITS_CONSUMED', 'CREDITS_CONSUMED'), ('CREDITS_EXPIRED', 'CREDITS_EXPIRED'), ('CREDITS_VOIDED', 'CREDITS_VOIDED'), ('CREDITS_UPDATED', 'CREDITS_UPDATED'), ('CREDITS_CONSUMPTION_TRANSFER_SOURCE', 'CREDITS_CONSUMPTION_TRANSFER_SOURCE'), ('CREDITS_CONSUMPTION_TRANSFER_TARGET', 'CREDITS_CONSUMPTION_TRANSFER_TARGET')], max_length=40)),
                ('by_people', models.BooleanField()),
                ('used_in', models.DateTimeField(null=True)),
                ('amount', catalog.amounts.AmountField()),
                ('entries', models.PositiveIntegerField()),
            ],
            options={
                'ordering': ['pool_id', 'ends_with', 'place'],
            },
        ),
        migrations.AddIndex(
            model_name='ledgerentry',
            index=models.Index(condition=models.Q(django.db.models.lookups.Exact(django.db.models.expressions.CombinedExpression(models.F('number'), '%%', models.Value(2000)), 0)), fields=['pool', 'number'], name='ends_of_chapters'),
        ),
        migrations.AddIndex(
            model_name='ledgerentry',
            index=models.Index(condition=models.Q(('type', 'CREDITS_CONSUMED'), _negated=True), fields=['pool', 'number'], name='entries_other_than_use'),
        ),
        migrations.AddField(
            model_name='chaptersum',
            name='feature',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='catalog.feature'),
        ),
        migrations.AddField(
            model_name='chaptersum',
            name='pool',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='credits.pool'),
        ),
        migrations.AddIndex(
            model_name='chaptersum',
            index=models.Index(fields=['pool', 'used_in'], name='sums_by_hour_of_use'),
        ),
        migrations.AddConstraint(
            model_name='chaptersum',
            constraint=models.UniqueConstraint(fields=('pool', 'ends_with', 'place'), name='a_chapter_is_summed_once'),
        ),
    ]
