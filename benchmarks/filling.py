"""Many customers at once: one is made by the real verbs, the database copies its rows.

Constraints and triggers watch the copies like everything else, so what is measured could
have come about by use.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.management.color import no_style
from django.db import connection, models, transaction

from catalog.models import Package, PackageVersion
from credits import consumption, grants
from credits.book import GrantType
from credits.consumption import Demand
from credits.grants import Gift
from credits.models import Consumption, Grant, LedgerEntry, Pool, Schedule
from subscriptions import searching
from subscriptions.models import Customer, CustomerWord, Subscription
from tests.builders import a_credit_type, a_customer, a_published_plan, a_subscription, some_credits
from workspace.actors import SYSTEM
from workspace.ids import PublicIdField

PER_MONTH = 5_000
TOP_UP = 10**9
SPENT = 3_200
ENOUGH_TO_PLAN = 200
"""So many rows tell the database that a table is worth an index; triggers keep their plans."""

# Whom a row belongs to comes before it.
COPIED: list[tuple[type[models.Model], str]] = [
    (Customer, "pk"),
    (Subscription, "customer"),
    (Pool, "customer"),
    (Schedule, "pool__customer"),
    (Grant, "pool__customer"),
    (Consumption, "pool__customer"),
    (LedgerEntry, "pool__customer"),
]


@dataclass(frozen=True)
class Stock:
    """Pools that are alike: `count` of them with ids from `first` on."""

    first: int
    count: int
    credit_type_id: str
    customer_id: str
    """Public id of the original; copy n is called `<customer_id>-n`."""

    @property
    def ids(self) -> range:
        """Of all pools."""
        return range(self.first, self.first + self.count)


def a_pool(now: datetime) -> Pool:
    """A customer's pool with 5,000 credits per month of which 3,200 are used, and a top-up."""
    credit_type = a_credit_type(now=now)
    plan = a_published_plan(entitlements=[some_credits(credit_type, PER_MONTH)], now=now)
    customer = a_customer(email="billing@acme.example", now=now)
    a_subscription(customer, plan, now=now)
    pool = Pool.objects.get(customer=customer, credit_type=credit_type)
    gift = Gift(type=GrantType.PAID, amount=Decimal(TOP_UP), name="Top-up")
    grants.grant(pool_id=pool.pk, gift=gift, actor=SYSTEM, now=now)
    demand = Demand(amount=Decimal(SPENT), key="first", used_at=now)
    consumption.consume(pool_id=pool.pk, demand=demand, actor=SYSTEM, now=now)
    return Pool.objects.select_related("customer", "credit_type").get(pk=pool.pk)


def stock(count: int, now: datetime) -> Stock:
    """`count` customers as of `a_pool`."""
    original = a_pool(now)
    return Stock(
        first=copy_customer(original.customer, count),
        count=count,
        credit_type_id=original.credit_type.public_id,
        customer_id=original.customer.public_id,
    )


def copy_customer(customer: Customer, copies: int, *, first: int = 1) -> int:
    """Copy a customer with everything it has; the id of the first new pool.

    Copies are numbered from `first` on. A few come before the others, for the plans.
    """
    few = min(copies, ENOUGH_TO_PLAN)
    first_pool = _copy_customer(customer, few, first)
    if copies > few:
        _copy_customer(customer, copies - few, first + few)
    return first_pool


def _copy_customer(customer: Customer, copies: int, first: int) -> int:
    shifts = {model: _Shift(model, path, customer) for model, path in COPIED}
    with transaction.atomic(), connection.cursor() as cursor:
        for model, shift in shifts.items():
            if shift.ids:
                cursor.execute(*_copy_statement(model, shifts, copies, first))
        cursor.execute(*_words_statement(customer, shifts[Customer], copies, first))
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), list(shifts)):
            cursor.execute(statement)
        cursor.execute("ANALYZE")
    return shifts[Pool].first_new


def copy_package(
    package: Package, copies: int, versions: int, now: datetime, *, first: int = 1
) -> None:
    """Copy a published package, and let each copy have so many versions like its live one.

    Copies are numbered from `first` on.
    """
    assert package.live_id is not None, "it is published"
    original = PackageVersion.objects.get(pk=package.live_id)
    parts: list[models.Model] = [*original.credit_entitlements.all(), *original.charges.all()]
    rows = Package.objects.bulk_create(
        _without_key(package, public_id=f"{package.public_id}-{number}", live=None, draft=None)
        for number in range(first, first + copies)
    )
    for number in range(1, versions + 1):
        drafts = PackageVersion.objects.bulk_create(
            _without_key(original, package=row, number=None, published_at=None) for row in rows
        )
        for part in parts:
            type(part)._default_manager.bulk_create(
                [_without_key(part, version=draft) for draft in drafts]
            )
        ids = [draft.pk for draft in drafts]
        PackageVersion.objects.filter(pk__in=ids).update(number=number, published_at=now)
        for row, draft in zip(rows, drafts, strict=True):
            row.live = draft
    Package.objects.bulk_update(rows, ["live"])


def _without_key(row: models.Model, **changes: Any) -> Any:
    """An unsaved copy of a row that differs in `changes`."""
    fields = {each.attname: getattr(row, each.attname) for each in row._meta.concrete_fields}
    for name, value in changes.items():
        fields.pop(row._meta.get_field(name).attname)  # type: ignore[union-attr]
        fields[name] = value
    return type(row)(**{**fields, "id": None})


class _Shift:
    """How ids of one table move: copy n of a row comes n strides after its original."""

    def __init__(self, model: type[models.Model], path: str, customer: Customer) -> None:
        rows = model._default_manager.filter(**{path: customer.pk})
        self.ids = sorted(rows.values_list("pk", flat=True))
        largest = model._default_manager.aggregate(largest=models.Max("pk"))["largest"] or 0
        self.first_new = largest + 1
        self.first = self.ids[0] if self.ids else 0
        self.stride = self.ids[-1] - self.first + 1 if self.ids else 0

    def moved(self, column: str) -> str:
        """SQL: the id of the copy."""
        return f"{column} - {self.first} + {self.first_new} + (n - 1) * {self.stride}"


NUMBERS = (
    "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %s)"
)


def _words_statement(
    original: Customer, shift: _Shift, copies: int, first: int
) -> tuple[str, list[Any]]:
    """The words by which the copies are found."""
    number = "0000000"  # stands for that of the copy
    copy = Customer(
        name=f"{original.name} {number}",
        public_id=f"{original.public_id}-{number}",
        email=f"{number}.{original.email}",
    )
    words = sorted(searching.words_of(copy))
    table = CustomerWord._meta.db_table
    marks = ", ".join(["(%s)"] * len(words))
    statement = (
        f'{NUMBERS} INSERT INTO "{table}" (word, customer_id) '
        f"SELECT replace(column1, '{number}', CAST(n + {first - 1} AS text)),"
        f" {shift.moved(str(original.pk))} FROM numbers, (VALUES {marks}) AS words"
    )
    return statement, [copies, *words]


def _copy_statement(
    model: type[models.Model], shifts: dict[Any, _Shift], copies: int, first: int
) -> tuple[str, list[Any]]:
    table = model._meta.db_table
    columns, values = [], []
    for each in model._meta.concrete_fields:
        column = f'original."{each.column}"'
        columns.append(f'"{each.column}"')
        if each.primary_key:
            values.append(shifts[model].moved(column))
        elif each.remote_field is not None and each.remote_field.model in shifts:
            values.append(shifts[each.remote_field.model].moved(column))
        elif isinstance(each, PublicIdField):
            values.append(f"{column} || '-' || (n + {first - 1})")
        elif (model, each.name) == (Customer, "name"):
            values.append(f"{column} || ' ' || (n + {first - 1})")
        elif (model, each.name) == (Customer, "email"):
            values.append(f"(n + {first - 1}) || '.' || {column}")
        elif isinstance(each, models.UUIDField):
            values.append(_new_uuid())
        else:
            values.append(column)
    marks = ", ".join(["%s"] * len(shifts[model].ids))
    statement = (
        f"{NUMBERS} "
        f'INSERT INTO "{table}" ({", ".join(columns)}) '
        f'SELECT {", ".join(values)} FROM numbers, "{table}" AS original '
        f"WHERE original.id IN ({marks}) ORDER BY n, original.id"
    )
    return statement, [copies, *shifts[model].ids]


def _new_uuid() -> str:
    if connection.vendor == "postgresql":
        return "gen_random_uuid()"
    return "lower(hex(randomblob(16)))"
