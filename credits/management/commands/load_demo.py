"""`manage.py load_demo`: sample data, once."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from credits import demo
from subscriptions.models import Customer
from workspace.models import Role, User

LOGIN = "admin"
PASSWORD = "stipend-demo"  # noqa: S105 - of a demo that listens on this machine only


class Command(BaseCommand):
    """Fill an empty database with a catalog, customers and months of their use."""

    help = "Fill an empty database with sample data; leave a filled one alone."

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the demo's administrator and tell the story, unless it was told."""
        if settings.STIPEND_MODE == "production":
            raise CommandError("Sample data does not belong into production.")
        if not User.objects.filter(username=LOGIN).exists():
            User.objects.create_superuser(
                LOGIN, "admin@stipend.example", PASSWORD, role=Role.ADMINISTRATOR
            )
        if Customer.objects.exists():
            self.stdout.write("The sample data is there already; it is kept.")
            return
        demo.load(now=timezone.now(), progress=self._say)
        self.stdout.write("The sample data is ready.")

    def _say(self, line: str) -> None:
        self.stdout.write(f"  {line}")
        self.stdout.flush()
