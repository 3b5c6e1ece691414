"""What a deed of a bulk change is: found, worked out on paper, done, undone, for one customer.

Every deed goes through the verb that a person would use for one customer, and is worked out
beforehand by the planner of that verb. `bulk_grants` and `bulk_subscriptions` hold them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Self, get_args

from catalog.models import CreditType
from credits.models import BulkKind, BulkRow
from workspace.actors import Actor
from workspace.errors import Conflict, DomainError
from workspace.json import plain


class NothingFits(Conflict):
    """The customer has nothing that is meant."""


class Irreversible(Conflict):
    """It cannot be taken back: something was made of it meanwhile."""


@dataclass(frozen=True, slots=True)
class Result:
    """What would be done, or was, in words; and the balances before and after it.

    `balances` holds, by public id of the credit type, its name and both in digits. `before`
    is what undoing needs to know, `grant_id` the inner key of a grant that was made.
    """

    what: str
    balances: list[dict[str, str]]
    before: dict[str, Any] | None = None
    grant_id: int | None = None


Plan = Result | DomainError
"""What would be done, or why not."""


READERS: Mapping[type, Callable[[str], Any]] = {
    Decimal: Decimal,
    datetime: datetime.fromisoformat,
}


@dataclass(frozen=True, kw_only=True)
class Deed:
    """One kind of deed with its terms, which `stored` keeps and `restored` brings back."""

    kind: ClassVar[BulkKind]
    aims_at: ClassVar[str] = ""  # what a row points at beside the customer
    irreversible_because: ClassVar[str] = ""

    def stored(self) -> dict[str, Any]:
        """The terms as JSON keeps them: amounts in digits, instants to the microsecond."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def restored(cls, terms: Mapping[str, Any]) -> Self:
        """The deed with these terms."""
        given = {}
        for field in fields(cls):
            if field.name not in terms:  # it began before there was a choice
                continue
            value = terms[field.name]
            for kind, read in READERS.items():
                if value is not None and kind in (field.type, *get_args(field.type)):
                    value = read(value)
            given[field.name] = value
        return cls(**given)

    def targets(self, customer_ids: Sequence[int], now: datetime) -> Mapping[int, list[Any]]:
        """By customer, the grants or subscriptions of theirs that are meant."""
        return {}

    def plans(self, rows: Sequence[BulkRow], now: datetime) -> list[Plan]:
        """What would be done to each of these rows, in their order; nothing is written."""
        raise NotImplementedError

    def do(self, row: BulkRow, reason: str, *, actor: Actor, now: datetime) -> Result:
        """Do it by the ordinary verb, inside a transaction.

        Raises:
            DomainError: whatever the verb refuses. Nothing was changed.
        """
        raise NotImplementedError

    @property
    def goes_together(self) -> bool:
        """Whether `do_several` does anything."""
        return False

    def do_several(
        self, rows: Sequence[BulkRow], *, actor: Actor, now: datetime
    ) -> Mapping[int, Result]:
        """Do what can be done of these rows at once; by their inner keys.

        Left out is what somebody else is at, what depends on a row before it, and what would be
        refused: `do` has the last word on those. It is for deeds that make no grants and are not
        undone: of a result that is as planned nothing is kept but the balances.
        """
        return {}

    def undo(self, row: BulkRow, reason: str, *, actor: Actor, now: datetime) -> None:
        """Take it back where nothing was spent.

        Raises:
            Irreversible: something was, or it is not any more what it was made.
        """
        raise Irreversible(self.irreversible_because)


def balance_line(credit_type: CreditType, before: Decimal, after: Decimal) -> dict[str, str]:
    """A line of `Result.balances`."""
    return {
        "credit_type": credit_type.public_id,
        "name": credit_type.name,
        "before": plain(before),
        "after": plain(after),
    }


def grouped(pairs: Iterable[tuple[int, Any]]) -> Mapping[int, list[Any]]:
    """What belongs to each customer, in the order given."""
    found: dict[int, list[Any]] = defaultdict(list)
    for customer_id, each in pairs:
        found[customer_id].append(each)
    return found
