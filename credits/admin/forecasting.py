"""The next twelve months of a pool: what comes, what goes, and the day on which nothing is left."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django import forms

from catalog.admin.fields import AmountInput
from catalog.amounts import ZERO
from catalog.models import PackageVersion
from credits import forecast, outlook, summaries
from credits.admin import curves
from credits.admin.words import counted, name_of, units
from credits.book import Entry, EntryType, GrantType
from credits.forecast import Forecast, Happening, Use
from credits.models import Pool
from credits.outlook import Draft, Habits
from subscriptions import periods
from workspace.admin.base import DialogForm, ObjectPage
from workspace.templatetags.stipend import credits as in_digits
from workspace.templatetags.stipend import day, instant

MONTHS = 12
MOST_ROWS = 200
SHOWN_PLACES = 2
PACE, NOTHING, TYPED = "pace", "none", "typed"
PER_DAY, PER_MONTH = "day", "month"


class AssumptionForm(DialogForm):
    """What is assumed: how much is used, and by which catalog."""

    use = forms.ChoiceField(
        label="Use",
        choices=[(PACE, "As in the last 30 days"), (TYPED, "As typed"), (NOTHING, "None")],
        required=False,
    )
    amount = AmountInput(label="Credits", required=False)
    per = forms.ChoiceField(
        choices=[(PER_DAY, "a day"), (PER_MONTH, "a month")], label="Per", required=False
    )
    draft = forms.TypedChoiceField(label="Catalog", coerce=int, empty_value=None, required=False)

    subject: list[PackageVersion]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["draft"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [
            ("", "Live catalog"),
            *((each.pk, f"Draft of {each.package.name}") for each in self.subject),
        ]

    def clean(self) -> dict[str, Any]:
        """A typed use is a number."""
        given = super().clean() or {}
        if given.get("use") == TYPED and not given.get("amount") and "amount" not in self.errors:
            self.add_error("amount", "Type how many credits are used.")
        return given


class ForecastPage(ObjectPage):
    """Twelve months ahead, by the planner that resets credits; nothing is written."""

    name = "forecast"
    label = "Forecast"
    permission = "credits.view_pool"
    template_name = "admin/credits/forecast.html"
    object: Pool

    @property
    def title(self) -> str:
        """The heading."""
        return f"Forecast: {name_of(self.object)}"

    def content(self) -> dict[str, Any]:
        """Figures, chart and table of what is assumed; a constant number of queries."""
        pool, now = self.object, self.now
        until = periods.boundary(now, MONTHS)
        drafts = outlook.drafts(pool, now)
        form = AssumptionForm(self.request.GET, subject=drafts)
        given = form.cleaned_data if form.is_valid() else {}
        version = next((each for each in drafts if each.pk == given.get("draft")), None)
        state = summaries.on_paper(pool, now)
        plans, habits = None, outlook.habits(pool, now=now)
        use = self._use(given, habits, until - now)
        named = {"Live catalog": forecast.forecast(state, now=now, until=until, use=use)}
        at_once: list[Entry] = []
        if version is not None:
            plans = outlook.draft(pool, version, now)
            habits = outlook.habits(pool, now=now, plans=plans)
            use = self._use(given, habits, until - now)
            changed = outlook.under(plans, pool, state, now)
            at_once = changed.entries[len(state.entries) :]
            ahead = forecast.forecast(changed, now=now, until=until, use=use)
            named = {f"Draft of {version.package.name}": ahead, **named}
        chosen = next(iter(named.values()))
        rows = self._rows(chosen, plans, at_once)
        return {
            "form": form,
            "until": until,
            "figures": self._figures(state.balance, chosen, at_once),
            "chart": curves.draw(named),
            "chart_summary": self._summary(chosen),
            "assumption": self._assumption(given, habits, use, plans),
            "rows": rows[:MOST_ROWS],
            "has_more": len(rows) > MOST_ROWS,
            "is_empty": not (rows or state.balance or use.amount),
        }

    def _use(self, given: dict[str, Any], habits: Habits, span: timedelta) -> Use:
        if given.get("use") == NOTHING:
            return forecast.NO_USE
        if given.get("use") != TYPED:
            return habits.use
        if given.get("per") == PER_MONTH:
            return Use(given["amount"] * MONTHS, span)
        return Use(given["amount"])

    # What is assumed

    def _assumption(
        self, given: dict[str, Any], habits: Habits, use: Use, plans: Draft | None
    ) -> list[str]:
        """Everything that the forecast takes for granted, in sentences."""
        sentences = [self._of_use(given, habits, use)]
        if plans is None:
            sentences.append("The live catalog and all subscriptions stay as they are.")
        else:
            name = plans.version.package.name
            sentences.append(
                f"The draft of {name} is published now, and all who have {name} are migrated at "
                "once."
            )
            if any(part.is_repriced for part in habits.parts):
                sentences.append("Use is counted at the rates that would then hold.")
            if kept := [part.feature for part in habits.parts if part.keeps_price]:
                sentences.append(
                    f"{', '.join(kept)}: at what it cost lately, for a formula needs each event."
                )
        sentences.append(
            "Use is spread evenly. Where nothing is left it stops; under a soft limit it goes on "
            "and is owed. Days are those of UTC."
        )
        return sentences

    def _of_use(self, given: dict[str, Any], habits: Habits, use: Use) -> str:
        if given.get("use") == NOTHING:
            return "Nothing is used."
        if given.get("use") == TYPED:
            per = "month" if given.get("per") == PER_MONTH else "day"
            return f"{self._units(given['amount'])} are used a {per}."
        days = f"{habits.over.days} days" if habits.over.days > 1 else "day"
        if not use.amount:
            return f"Nothing was used in the last {days}, so nothing is used."
        parts = ", ".join(
            f"{part.feature or 'without a feature'} {_about(part.amount)}" for part in habits.parts
        )
        return (
            f"Use goes on as in the last {days} ({parts}): "
            f"{self._units(round(use.per_day, 2))} a day."
        )

    # What comes of it

    def _figures(
        self, balance: Decimal, found: Forecast, at_once: list[Entry]
    ) -> list[dict[str, Any]]:
        out, note = self._running_out(found)
        granted = found.total(EntryType.GRANTED)
        granted += sum(each.amount for each in at_once if each.type == EntryType.GRANTED)
        return [
            {"label": "Balance now", "value": in_digits(balance), "note": instant(found.since)},
            {"label": "Runs out", "value": out, "note": note},
            {
                "label": "Granted",
                "value": _about(granted),
                "note": f"in {MONTHS} months",
            },
            {
                "label": "Used",
                "value": _about(found.used),
                "note": f"{_about(found.refused)} more find nothing"
                if found.refused
                else f"in {MONTHS} months",
            },
            {
                "label": "Expires unused",
                "value": _about(found.total(EntryType.EXPIRED)),
                "note": f"in {MONTHS} months",
            },
        ]

    def _running_out(self, found: Forecast) -> tuple[str, str]:
        """When, and how long it lasts."""
        if not found.gaps:
            return "Never", f"Something is left until {day(found.until)}."
        first = found.gaps[0]
        when = "Now" if first.since == found.since else day(first.since)
        again = f"again {instant(first.until)}" if first.until else "for the rest"
        without = f"{counted(found.days_without, 'day')} without credits"
        return when, f"{instant(first.since)}, {again}; {without}"

    def _summary(self, found: Forecast) -> str:
        lowest = min(balance for _, balance in found.points)
        highest = max(balance for _, balance in found.points)
        return (
            f"Balance from {day(found.since)} to {day(found.until)}: between "
            f"{_about(lowest)} and {_about(highest)}, at the end {_about(found.closing)}"
        )

    def _rows(
        self, found: Forecast, plans: Draft | None, at_once: list[Entry]
    ) -> list[dict[str, Any]]:
        """What happens, in the order of time: changes of subscriptions, and of the balance."""
        now, until = found.since, found.until
        rows = {each.at: _happening(each) for each in found.happenings}
        for milestone in outlook.milestones(self.object, now=now, until=until):
            row = rows.setdefault(milestone.at, _nothing_moves(found, milestone.at))
            row["notes"].append(milestone.words)
        for gap in found.gaps:
            if gap.since > now:
                row = rows.setdefault(gap.since, _nothing_moves(found, gap.since) | {"after": "0"})
                row["is_gap"] = True
        if plans is not None:
            after = found.points[0][1]
            before = after - sum(each.amount for each in at_once)
            rows[now] = _happening(Happening(now, ZERO, tuple(at_once), before, after))
            rows[now]["notes"].append(f"The draft of {plans.version.package.name} is published")
        return [{"at": at, **rows[at]} for at in sorted(rows)]

    def _units(self, amount: Decimal) -> str:
        return units(self.object.credit_type, amount)


def _happening(happening: Happening) -> dict[str, Any]:
    return {
        "notes": [],
        "moves": [move for entry in happening.entries if (move := _move(entry))],
        "used": _about(happening.used),
        "before": _about(happening.balance_before),
        "after": _about(happening.balance_after),
        "is_gap": False,
    }


def _about(amount: Decimal) -> str:
    """Digits as far as they mean something: what is foreseen of use has no millionths."""
    return in_digits(round(amount, SHOWN_PLACES))


def _nothing_moves(found: Forecast, at: datetime) -> dict[str, Any]:
    """A row for an instant at which no credit comes or goes."""
    balance = _about([each for when, each in found.points if when <= at][-1])
    return {
        "notes": [], "moves": [], "used": "", "before": "", "after": balance, "is_gap": False,
    }  # fmt: skip


def _move(entry: Entry) -> tuple[str, Decimal] | None:
    """An entry in words, with its amount; a transfer is told once."""
    source = summaries.source_of(summaries.grant_on_paper(entry.grant))
    if entry.grant.type != GrantType.RECURRING:
        source = f"{source}: {entry.grant.name}"
    amount = round(entry.amount, SHOWN_PLACES)
    match entry.type:
        case EntryType.GRANTED:
            return source, amount
        case EntryType.EXPIRED:
            return f"{source} expires", amount
        case EntryType.VOIDED:
            return f"{source} is taken back", amount
        case EntryType.TRANSFER_SOURCE if entry.grant.type == GrantType.OVERDRAFT:
            return f"What was owed is settled: {_about(entry.amount)}", Decimal(0)
        case EntryType.TRANSFER_SOURCE:
            return f"Use moves along: {_about(entry.amount)}", Decimal(0)
    return None
