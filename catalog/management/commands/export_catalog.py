"""`manage.py export_catalog`: the catalog as a file."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from catalog.transfer import exporting


class Command(BaseCommand):
    """Write the catalog as YAML, in an order that only changes where the catalog does."""

    help = "Write the catalog as YAML: what is active, and of plans and add-ons what is on sale."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to, and whether with drafts."""
        parser.add_argument("file", nargs="?", help="where to; without, to the standard output")
        parser.add_argument(
            "--drafts",
            action="store_true",
            help="open drafts in place of live versions, and what was never published",
        )

    def handle(self, *args: Any, file: str | None, drafts: bool, **options: Any) -> None:
        """Write it."""
        text = exporting.export(with_drafts=drafts)
        if file is None:
            self.stdout.write(text, ending="")
            return
        try:
            Path(file).write_text(text, encoding="utf-8", newline="\n")
        except OSError as error:
            raise CommandError(f"{file} cannot be written: {error.strerror}.") from error
        self.stderr.write(f"The catalog is in {file}.")
