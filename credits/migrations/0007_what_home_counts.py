"""The home page counts what was set aside, and adds up the ledger of a day, by index."""

from django.db import migrations, models


def index_by_time(apps, schema_editor):
    """A summary of which blocks hold which times costs entries nothing; SQLite has none."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "CREATE INDEX ledger_by_time ON credits_ledgerentry USING brin (recorded_at)"
            " WITH (autosummarize = on)"
        )


def drop_index(apps, schema_editor):
    """The way back."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX ledger_by_time")


class Migration(migrations.Migration):
    dependencies = [
        ("credits", "0006_what_rules_were_given"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="pool",
            index=models.Index(
                condition=models.Q(("set_aside_at__isnull", False)),
                fields=["-set_aside_at"],
                name="pools_set_aside",
            ),
        ),
        migrations.RunPython(index_by_time, drop_index),
    ]
