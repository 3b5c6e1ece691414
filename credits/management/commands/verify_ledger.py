"""`manage.py verify_ledger`: is every number that is stored what the rules make of it?"""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from credits import verification
from credits.models import Pool
from credits.verification import Fault
from subscriptions import customers
from workspace.errors import DomainError


class Command(BaseCommand):
    help = (
        "Recompute every rule about credits from what is stored, say which pool and entry "
        "break which rule, and fail if any does. Nothing is repaired."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--pool", type=int, help="the pool of this number")
        which.add_argument("--customer", help="the pools of the customer with this ID")
        which.add_argument("--all", action="store_true", help="every pool")

    def handle(self, *args: Any, **options: Any) -> None:
        broken = 0
        for fault in self.faults(**options):
            broken += 1
            self.stdout.write(str(fault))
        if broken:
            raise CommandError(f"Rules are broken in {broken} places.")
        self.stdout.write("Every rule holds.")

    def faults(
        self, *, pool: int | None, customer: str | None, all: bool, **options: Any
    ) -> Iterator[Fault]:
        now = timezone.now()
        if all:
            return verification.verify_all(now)
        if pool is not None:
            pools = Pool.objects.filter(pk=pool)
            if not pools.exists():
                raise CommandError(f"There is no pool {pool}.")
        else:
            try:
                pools = Pool.objects.filter(customer=customers.find(customer or ""))
            except DomainError as error:
                raise CommandError(str(error)) from error
        return verification.verify(list(pools.values_list("pk", flat=True)), now)
