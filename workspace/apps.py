"""What the app of this name does when Django is ready."""

from django.apps import AppConfig
from django.core import checks
from django.core.signals import request_finished
from django.db.models.signals import post_migrate, pre_migrate


class WorkspaceConfig(AppConfig):
    name = "workspace"
    verbose_name = "Operations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import workspace.api.schema  # noqa: F401 - drf-spectacular finds it by its existence
        from workspace import functions, keys, triggers
        from workspace.admin import sign_ins
        from workspace.models import activity

        triggers.register(*activity.TRIGGERS)
        sign_ins.connect()
        request_finished.connect(keys.write_uses)
        # One sender each: the signals come once per app.
        pre_migrate.connect(triggers.step_aside, sender=self)
        post_migrate.connect(triggers.return_to_duty, sender=self)
        post_migrate.connect(functions.install_after_migrate, sender=self)
        checks.register(triggers.check_triggers, checks.Tags.database)
        checks.register(functions.check_functions, checks.Tags.database)
