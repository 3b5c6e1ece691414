from django.db import migrations
from django.utils import timezone


def cancel_unfinished(apps, schema_editor):
    """Without its choices a run would move everybody, so it ends: a bulk change is begun anew."""
    runs = apps.get_model("subscriptions", "RolloutRun").objects.filter(is_selection=True)
    unfinished = runs.filter(finished_at=None)
    unfinished.update(status="CANCELED", finished_at=timezone.now())


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0012_chosen_migrations")]

    operations = [
        migrations.RunPython(cancel_unfinished, migrations.RunPython.noop, elidable=True),
        migrations.RemoveField("rolloutrun", "is_selection"),
        migrations.DeleteModel("RolloutChoice"),
    ]
