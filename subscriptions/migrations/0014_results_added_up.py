from django.db import migrations, models
from django.db.models import Count, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce

COUNTED = {
    "moved": Q(outcome="SUCCEEDED"),
    "failed": Q(outcome="FAILED"),
    "differing": Q(changed_since_review=True),
}


def count_results(apps, schema_editor):
    """Once for the runs that are there; afterwards every batch adds its own."""
    found = apps.get_model("subscriptions", "RolloutResult").objects.filter(run=OuterRef("pk"))

    def number(condition):
        counted = found.filter(condition).order_by().values("run").annotate(number=Count("pk"))
        return Coalesce(Subquery(counted.values("number")), Value(0))

    runs = apps.get_model("subscriptions", "RolloutRun").objects.all()
    runs.update(**{name: number(condition) for name, condition in COUNTED.items()})


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0013_no_chosen_migrations")]

    operations = [
        *(
            migrations.AddField(
                "rolloutrun", name, models.PositiveIntegerField(default=0, editable=False)
            )
            for name in COUNTED
        ),
        migrations.AddIndex(
            "rolloutresult",
            models.Index(
                fields=["run", "outcome", "-changed_since_review", "id"],
                name="failures_of_rollouts_first",
            ),
        ),
        migrations.RunPython(count_results, migrations.RunPython.noop, elidable=True),
    ]
