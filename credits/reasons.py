"""Why an entry of the ledger is as it is: the rule, its formula, and the values used (R34, R52).

Everything said here was stored with the entry, its grant or its consumption; nothing is worked
out by what the catalog says today.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from catalog.amounts import ZERO
from catalog.formulas import parse
from catalog.models import ConsumptionMapping
from credits.book import Entry, EntryType, GrantType
from credits.models import Consumption, Grant, LedgerEntry
from credits.summaries import grant_on_paper
from workspace.actors import SYSTEM, ActorKind
from workspace.templatetags.stipend import NOTHING, instant, signed
from workspace.templatetags.stipend import credits as number

READ_WITH = ("grant", "consumption__feature", "consumption__mapping__version")
"""What `of` asks an entry for."""


@dataclass(slots=True, frozen=True)
class Reason:
    """What made an entry: a rule by its number, a sentence, and what was put into it.

    `formula` shows the calculation with its result; `values` are the dimensions of the use by
    name; `notes` what was missing or odd, or only part of the story.
    """

    rule: str
    sentence: str
    formula: str = ""
    values: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def of(entry: LedgerEntry, partner: LedgerEntry | None = None) -> Reason:
    """Why the entry was made; `partner` is the other one of a transfer, if it is known."""
    match EntryType(entry.type):
        case EntryType.GRANTED:
            return _granted(entry.grant)
        case EntryType.CONSUMED:
            return _consumed(entry)
        case EntryType.EXPIRED:
            return _expired(entry)
        case EntryType.VOIDED:
            return _voided(entry)
        case EntryType.UPDATED:
            return Reason("R49", "A person edited the grant. Nothing moved.")
    return _moved(entry, partner)


def on_paper(number: int, entry: Entry) -> LedgerEntry:
    """An entry that nobody has written down yet, as a row that is not saved."""
    return LedgerEntry(
        number=number,
        type=entry.type.value,
        amount=entry.amount,
        balance_before=entry.balance_before,
        balance_after=entry.balance_after,
        grant=grant_on_paper(entry.grant),
        effective_at=entry.effective_at,
        actor_kind=SYSTEM.kind.value,
        actor=SYSTEM.name,
    )


def _granted(grant: Grant) -> Reason:
    match grant.type:
        case GrantType.RECURRING:
            return _issued(grant)
        case GrantType.PAID:
            cost = f" for {number(grant.cost_amount)} {grant.cost_currency}"
            return Reason("R46", f"Bought{cost if grant.cost_amount else ''}.", notes=_said(grant))
    return Reason("R46", "Given for free.", notes=_said(grant))


def _said(grant: Grant) -> tuple[str, ...]:
    return (f"“{grant.comment}”",) if grant.comment else ()


def _issued(grant: Grant) -> Reason:
    """What a source gives per period, less what it gave in this one already (R22, R27)."""
    period = _period(grant.period_starts_at, grant.period_ends_at)
    before = grant.mark_before or ZERO
    if grant.period_amount is None:
        return Reason("R22", f"For the period {period}.")
    amount, gives = grant.period_amount, number(grant.period_amount)
    formula = gives
    if grant.units is not None and grant.units > 1:
        formula = f"{number(amount / grant.units)} × {number(grant.units)} = {gives}"
    counted = amount - grant.amount
    if not counted:
        return Reason("R22", f"All that it gives for the period {period}.", formula=formula)
    if counted > 0:
        formula += f"; {gives} − {number(counted)} = {number(grant.amount)}"
    notes: tuple[str, ...] = ()
    if counted != before:
        notes = (f"It gave {number(before)} in this period; not all of that counts any more.",)
    return Reason(
        "R27",
        f"What it gives for the period {period}, less what it gave in it already.",
        formula=formula,
        notes=notes,
    )


def _period(start: datetime | None, end: datetime | None) -> str:
    return f"{instant(start)} – {instant(end)}"


def _consumed(entry: LedgerEntry) -> Reason:
    used = entry.consumption
    assert used is not None, "who consumes says what for"
    rule, sentence, formula = _price(entry, used)
    notes = [f"{flag}." for flag in used.flags]
    if -entry.amount != used.amount:
        notes.append(f"{number(-entry.amount)} of the {number(used.amount)} were taken here.")
    if entry.grant.type == GrantType.OVERDRAFT:
        notes.append("No grant could pay it, so it is owed: the next grant settles it (R36).")
    return Reason(rule, sentence, formula, _values(used), tuple(notes))


def _price(entry: LedgerEntry, used: Consumption) -> tuple[str, str, str]:
    """Rule, sentence and formula of what was asked for."""
    cost = number(used.amount)
    if used.mapping is not None:
        return ("R34", *_by_rule(used.mapping, used, cost))
    if used.feature is not None:
        return "R33", f"{cost} for {used.feature.name}. The rule was not kept at that time.", ""
    if entry.actor_kind == ActorKind.USER:
        return "R50", f"{entry.actor} took away {cost}.", ""
    return "R39", f"An application asked for {cost}, under the key “{used.key}”.", ""


def _by_rule(mapping: ConsumptionMapping, used: Consumption, cost: str) -> tuple[str, str]:
    package = f"{mapping.version.name}, version {mapping.version.number}"
    if mapping.formula:
        return f"By the formula of {package}.", f"{mapping.formula} = {cost}"
    units = NOTHING if used.units is None else number(used.units)
    return f"By the rate of {package}.", f"{units} × {number(mapping.rate)} = {cost}"


def _values(used: Consumption) -> tuple[tuple[str, str], ...]:
    """The dimensions; those that a formula looks at in front, also where they were missing."""
    dimensions = used.dimensions
    looked_at: Sequence[str] = ()
    if used.mapping is not None and used.mapping.formula:
        looked_at = sorted(parse(used.mapping.formula).names)
    names = [*looked_at, *(name for name in dimensions if name not in looked_at)]
    return tuple((name, str(dimensions.get(name, "missing, counts 0"))) for name in names)


def _expired(entry: LedgerEntry) -> Reason:
    if entry.grant.type == GrantType.RECURRING:
        return Reason(
            "R21", "Its period is over, and nothing rolls over.", formula=_remainder(entry)
        )
    return Reason("R47", "Its time is over.", formula=_remainder(entry))


def _voided(entry: LedgerEntry) -> Reason:
    if entry.actor_kind != ActorKind.SYSTEM:
        notes = (f"“{entry.reason}”",) if entry.reason else ()
        sentence = f"{entry.actor} revoked what was left."
        return Reason("R48", sentence, formula=_remainder(entry), notes=notes)
    sentence = "What gave it ended or made way for another, so the rest is taken back."
    return Reason("R29–R32", sentence, formula=_remainder(entry))


def _remainder(entry: LedgerEntry) -> str:
    amount, left = entry.grant.amount, -entry.amount
    return f"{number(amount)} granted − {number(amount - left)} used = {number(left)} left"


def _moved(entry: LedgerEntry, partner: LedgerEntry | None) -> Reason:
    is_source = entry.type == EntryType.TRANSFER_SOURCE
    ends = (entry, partner) if is_source else (partner, entry)
    payer, taker = (end.grant if end else None for end in ends)
    if payer is not None and payer.type == GrantType.OVERDRAFT:
        rule, sentence = "R36", "What was owed is paid by a grant"
    else:
        rule, sentence = "R29–R31", "Use goes along to what took the place of its grant"
    if payer is None or taker is None:
        return Reason(rule, f"{sentence}.")
    moved = number(abs(entry.amount))
    return Reason(
        rule,
        f"{sentence}: {moved} from {payer.name} to {taker.name}.",
        formula=f"{signed(abs(entry.amount))} and {signed(-abs(Decimal(entry.amount)))} make 0",
    )
