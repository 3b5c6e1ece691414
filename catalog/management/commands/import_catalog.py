"""`manage.py import_catalog`: what a catalog file would change, and the change itself."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from catalog.comparison import Kind
from catalog.publishing import Audience
from catalog.transfer import importing, reading
from catalog.transfer.importing import Review
from workspace.actors import SYSTEM
from workspace.errors import DomainError

AUDIENCES = {"new": Audience.NEW_CUSTOMERS, "all": Audience.ALL_CUSTOMERS}
SIGNS = {Kind.ADDED: "+", Kind.CHANGED: "~", Kind.REMOVED: "-"}


class Command(BaseCommand):
    """Show the difference, ask, and take the file in as a whole or not at all."""

    help = (
        "Show what a catalog file would change, ask, and change it: all of it or nothing. "
        "Plans and add-ons get drafts; what the file does not name stays as it is."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which file, and how far to go."""
        parser.add_argument("file")
        parser.add_argument(
            "--publish",
            choices=AUDIENCES,
            help="publish the drafts, for new customers or for all",
        )
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--yes", action="store_true", help="do not ask")
        how.add_argument("--dry-run", action="store_true", help="only show the difference")

    def handle(
        self,
        *args: Any,
        file: str,
        publish: str | None,
        yes: bool,
        dry_run: bool,
        **options: Any,
    ) -> None:
        """Review, ask, take."""
        content = self._content(file)
        audience = AUDIENCES[publish] if publish else None
        try:
            review = importing.review(content, audience=audience, actor=SYSTEM, now=timezone.now())
            self._show(review)
            if dry_run or not self._is_wanted(review, yes):
                self.stdout.write("Nothing was written.")
                return
            done = importing.take(
                content,
                audience=audience,
                fingerprint=review.fingerprint,
                actor=SYSTEM,
                now=timezone.now(),
            )
        except DomainError as error:
            raise CommandError(f"{error.message} Nothing was written.") from error
        self.stdout.write(f"Written: {done.counts}.")

    def _content(self, file: str) -> bytes:
        """The file, or as much of it as shows that it is too large."""
        try:
            with Path(file).open("rb") as opened:
                return opened.read(reading.LARGEST + 1)
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from error

    def _show(self, review: Review) -> None:
        colours = {
            Kind.ADDED: self.style.SUCCESS,
            Kind.CHANGED: self.style.WARNING,
            Kind.REMOVED: self.style.ERROR,
        }
        section = ""
        for change in review.changes:
            if change.section != section:
                section = change.section
                self.stdout.write(section)
            values = " → ".join(value for value in (change.before, change.after) if value)
            line = f"  {SIGNS[change.kind]} {change.label}{': ' if values else ''}{values}"
            self.stdout.write(colours[change.kind](line))
        for note in review.notes:
            self.stdout.write(f"! {note}")

    def _is_wanted(self, review: Review, yes: bool) -> bool:
        if not review.does_something:
            self.stdout.write("The catalog says this already.")
            return False
        question = f"Write {review.counts}? [y/N] "
        return yes or input(question).strip().lower() in ("y", "yes")
