"""What a subscription would give, in words, before it is stored (R15, R16).

The pools are walked by the same functions that will do it; nothing is written.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from catalog.models import Cadence, CreditType
from catalog.wording import joined, units_of
from credits import changes, planning, recurring, summaries, timeline
from credits.book import ZERO, Entry, EntryType, GrantType, PoolState
from credits.changes import Step
from credits.models import Pool, Schedule
from credits.recurring import Allowance
from subscriptions.causes import Cause
from subscriptions.entitlements import CreditSource
from subscriptions.previews import CreditChange, CreditLine, Preview, SourceLine
from subscriptions.terms import Upcoming
from workspace.templatetags.stipend import credits as number

SUSPENDED = "gives nothing while the override lasts"


def credit_lines(preview: Preview, now: datetime) -> list[CreditLine]:
    """One line per credit type that the subscription includes."""
    by_type: dict[int, list[CreditSource]] = defaultdict(list)
    for source in preview.sources:
        by_type[source.credit_type_id].append(source)
    return [_line(preview, sources, now) for sources in by_type.values()]


def credit_changes(preview: Preview, now: datetime) -> list[CreditChange]:
    """What would become of the balance of every credit type that is given, or was."""
    steps = _steps(preview, now)
    subscription = preview.subscription
    rows = {
        row.credit_type_id: row
        for row in Pool.objects.filter(
            customer=subscription.customer_id, resource=subscription.resource_id
        )
    }
    given = {credit_type_id for step in steps for credit_type_id in step.given}
    if subscription.pk is not None:
        lasting = Schedule.objects.filter(subscription=subscription, ended=False)
        given |= set(lasting.values_list("pool__credit_type", flat=True))
    at = max(steps[-1].change.at, subscription.started_at)
    return [
        _change(credit_type, rows.get(credit_type.pk), steps, at, now)
        for credit_type in CreditType.objects.filter(pk__in=given)
    ]


def _steps(preview: Preview, now: datetime) -> list[Step]:
    """What `changes.apply` would plan: the change at once, or today and then the update."""
    planned, subscription = preview.planned, preview.subscription
    at = planned.takes_effect_at
    if planned.before is None or at is None or at <= now:
        return changes.steps_of(
            subscription,
            preview.terms,
            None,
            cause=planned.cause,
            resets=planned.resets,
            now=now,
        )
    update = Upcoming(at, preview.terms, planned.cause, planned.resets)
    return changes.steps_of(subscription, planned.before, update, cause=Cause.SCHEDULE, now=now)


def _change(
    credit_type: CreditType, row: Pool | None, steps: list[Step], at: datetime, now: datetime
) -> CreditChange:
    """Walk one pool, on paper, to the instant of the change and on to the reset after it."""
    pool = _on_paper(row, now)
    balance = pool.balance
    planning.plan(pool, [step.of(credit_type.pk) for step in steps])
    if at > now:
        timeline.turn(pool, now)
        pool, _ = timeline.advance(pool, at - timedelta.resolution)
        balance = pool.balance
    known = len(pool.entries)
    if at > now:
        pool, _ = timeline.advance(pool, at)
    else:
        timeline.turn(pool, at)
    entries = pool.entries[known:]
    reset_at = timeline.next_reset_at(pool)
    later = _recurring(timeline.advance(pool, reset_at)[1]) if reset_at else []
    return CreditChange(
        credit_type=credit_type,
        takes_effect_at=at,
        balance_before=balance,
        balance_after=pool.balance,
        granted=_sum(_recurring(entries)),
        next_reset_at=reset_at,
        granted_at_reset=_sum(entry for entry in later if entry.effective_at == reset_at),
    )


def _on_paper(row: Pool | None, now: datetime) -> PoolState:
    """The pool as it is at `now`; an empty one where nobody opened it yet."""
    return PoolState(pk=0) if row is None else summaries.on_paper(row, now)


def _recurring(entries: Iterable[Entry]) -> list[Entry]:
    """Those by which something was granted that recurs."""
    return [
        entry
        for entry in entries
        if entry.type == EntryType.GRANTED and entry.grant.type == GrantType.RECURRING
    ]


def _sum(entries: Iterable[Entry]) -> Decimal:
    return sum((entry.amount for entry in entries), ZERO)


def _line(preview: Preview, sources: list[CreditSource], now: datetime) -> CreditLine:
    credit_type = sources[0].credit_type
    allowances = recurring.in_force(sources)
    suspended = recurring.suspended(sources)
    return CreditLine(
        credit_type_id=credit_type.pk,
        name=credit_type.name,
        value=_recurring_value(allowances) or "none",
        sources=tuple(
            SourceLine(
                name=f"{source.name} × {source.quantity}" if source.quantity > 1 else source.name,
                value=_value(source, recurring.amount_of(source)),
                note=SUSPENDED if source in suspended else _reason_for_nothing(source),
            )
            for source in sources
        ),
        granted=_granted_at_once(preview, allowances, credit_type.pk, now),
        note=_override_note(allowances, suspended),
    )


def _recurring_value(allowances: list[Allowance]) -> str:
    """Such as "80,000 credits / month", the cadences joined where a mix recurs."""
    parts = []
    for cadence in Cadence:
        amount = recurring.effective_amount(allowances, cadence)
        if amount:
            unit = units_of(allowances[0].source.credit_type, amount)
            parts.append(f"{number(amount)} {unit} / {cadence.label}")
    return " + ".join(parts)


def _value(source: CreditSource, amount: Decimal) -> str:
    unit = units_of(source.credit_type, amount)
    return f"{number(amount)} {unit} / {Cadence(source.cadence).label}"


def _reason_for_nothing(source: CreditSource) -> str:
    if not source.is_granted:
        return "not granted"
    if source.amount is None:
        return "the amount is set per subscription"
    if source.linked and not source.units:
        return "no units of the linked feature"
    return ""


def _override_note(allowances: list[Allowance], suspended: list[CreditSource]) -> str:
    """R16: wherever such a mix is shown, it says that the increments give nothing."""
    if not suspended:
        return ""
    names = joined(source.name for source in suspended)
    word = SUSPENDED if len(suspended) == 1 else SUSPENDED.replace("gives", "give")
    return f"{allowances[0].source.name} overrides: {names} {word}."


def _granted_at_once(
    preview: Preview, allowances: list[Allowance], credit_type_id: int, now: datetime
) -> str:
    """What starting the subscription would grant now: the pool walked with its schedules."""
    subscription = preview.subscription
    row = Pool.objects.filter(
        customer_id=subscription.customer_id,
        credit_type_id=credit_type_id,
        resource=subscription.resource_id,
    ).first()
    pool = _on_paper(row, now)
    before = len(pool.entries)
    planning.plan(pool, [(planning.Change(Cause.START, False, subscription, now), allowances)])
    timeline.turn(pool, now)
    return _granted_sentence(_recurring(pool.entries[before:]), allowances)


def _granted_sentence(entries: list[Entry], allowances: list[Allowance]) -> str:
    if not entries:
        return ""
    total = _sum(entries)
    until = min(entry.grant.expires_at for entry in entries if entry.grant.expires_at)
    unit = units_of(allowances[0].source.credit_type, total)
    return f"{number(total)} {unit} now, until {until:%-d %b %Y, %H:%M} UTC"
