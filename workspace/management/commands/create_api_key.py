"""`manage.py create_api_key`: a key, for scripts and for the first one."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from workspace import keys
from workspace.actors import SYSTEM
from workspace.errors import DomainError
from workspace.models import KeyKind


class Command(BaseCommand):
    help = "Make an API key and print it, and nothing else, on standard output."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="what the key is for")
        reach = parser.add_mutually_exclusive_group()
        reach.add_argument("--read-only", action="store_true", help="a key that changes nothing")
        reach.add_argument(
            "--scope",
            action="append",
            default=[],
            choices=keys.SCOPES,
            metavar="AREA:REACH",
            help=f"may be repeated; one of {', '.join(keys.SCOPES)}",
        )

    def handle(self, *args: Any, **options: Any) -> str:
        kind = KeyKind.READ_ONLY if options["read_only"] else KeyKind.FULL
        if options["scope"]:
            kind = KeyKind.SCOPED
        try:
            made = keys.create(
                name=options["name"],
                kind=kind,
                scopes=options["scope"],
                actor=SYSTEM,
                now=timezone.now(),
            )
        except DomainError as error:
            raise CommandError(str(error)) from error
        return made.raw
