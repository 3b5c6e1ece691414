"""Why is my balance 312? A pool between two instants, in lines that add up, each with its proof."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django import forms

from catalog import wording
from credits import explanation, summaries
from credits.admin.words import name_of, number_from
from credits.book import GrantType, PoolState
from credits.explanation import Explanation, Key, Kind, Line, Proof
from credits.models import Grant, GrantSource, Pool
from workspace.admin.base import DialogForm, Link, ObjectPage
from workspace.templatetags.stipend import credits as in_digits
from workspace.templatetags.stipend import instant, signed

DAY = timedelta(days=1)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
PRESETS = {
    "period": "This period",
    "last": "Last period",
    "week": "7 days",
    "month": "30 days",
    "all": "Everything",
}
TRUE, KNOWN = "true", "known"
VIEWS = {TRUE: "As true then", KNOWN: "As known then"}
MEANINGS = {
    TRUE: "Every entry counts at the instant at which it changed the pool, whenever it was "
    "written down.",
    KNOWN: "Every entry counts from the instant at which it was written down: what the books "
    "said to whoever asked them then.",
}
WORDS = {
    Kind.TAKEN: "Subtracted by people",
    Kind.EXPIRED: "Expired",
    Kind.VOIDED: "Revoked or taken back",
    Kind.MOVED: "Use moved between grants",
    Kind.EDITED: "Grants edited by people",
}


class SpanForm(DialogForm):
    """From when until when; both in UTC."""

    since = forms.DateTimeField(label="From (UTC)")
    until = forms.DateTimeField(label="Until (UTC); empty: now", required=False)

    def clean(self) -> dict[str, Any]:
        """It ends after it begins."""
        given = super().clean() or {}
        since, until = given.get("since"), given.get("until") or self.subject
        if since is not None:
            given["since"] = since = max(since, LONG_AGO)
        if since is not None and since >= until:
            self.add_error("since", f"Choose an instant before {instant(until)}.")
        return given


class BalancePage(ObjectPage):
    """What a pool held, what came, what went, and what it led to."""

    name = "balance"
    label = "Why this balance"
    permission = "credits.view_pool"
    template_name = "admin/credits/balance.html"
    object: Pool

    @property
    def title(self) -> str:
        """The heading."""
        return f"Why this balance: {name_of(self.object)}"

    def content(self) -> dict[str, Any]:
        """The lines, the entries of the one that is open, and a sentence; six queries."""
        state = summaries.on_paper(self.object, self.now)
        form, since, until = self._span(state)
        as_known = self.request.GET.get("view") == KNOWN
        # The present instant belongs to what is shown until now.
        last = until + timedelta.resolution if until == self.now else until
        found = explanation.explain(state, since=since, until=last, as_known=as_known)
        rows = [self._row(line, state, found) for line in found.lines]
        return {
            "form": form,
            "presets": self._presets(is_chosen=not form.is_bound),
            "views": [
                Link(label, self._here(view=view, open="", before=""), is_current=is_current)
                for view, label in VIEWS.items()
                for is_current in [as_known == (view == KNOWN)]
            ],
            "meaning": MEANINGS[KNOWN if as_known else TRUE],
            "view": KNOWN if as_known else "",
            "since": since,
            "until": until,
            "is_now": until == self.now,
            "opening": in_digits(found.opening),
            "closing": in_digits(found.closing),
            "units": wording.units_of(self.object.credit_type, found.closing),
            "is_overdrawn": found.closing < 0,
            "rows": rows,
            "sentence": self._sentence(found, since, until, as_known=as_known),
        }

    # From when until when

    def _span(self, state: PoolState) -> tuple[SpanForm, datetime, datetime]:
        """The form and the instants it says; those of a preset where it says none."""
        given = self.request.GET
        since, until = self._preset(state)
        if not (given.get("since") or given.get("until")):
            form = SpanForm(initial={"since": since, "until": None if until == self.now else until})
            return form, since, until
        form = SpanForm(given, subject=self.now)
        if not form.is_valid():
            return form, since, until
        chosen = form.cleaned_data
        return form, chosen["since"], min(chosen["until"] or self.now, self.now)

    def _preset(self, state: PoolState) -> tuple[datetime, datetime]:
        start, _ = explanation.period_of(state, self.now)
        match self.request.GET.get("span"):
            case "last":
                return explanation.period_before(state, start)[0], start
            case "week":
                return self.now - 7 * DAY, self.now
            case "month":
                return self.now - 30 * DAY, self.now
            case "all":
                midnight = self.object.created_at.replace(hour=0, minute=0, second=0, microsecond=0)
                return midnight, self.now
        return start, self.now

    def _presets(self, *, is_chosen: bool) -> list[Link]:
        chosen = self.request.GET.get("span")
        chosen = chosen if chosen in PRESETS else "period"
        return [
            Link(
                label,
                self._here(span=span, since="", until="", open="", before=""),
                is_current=is_chosen and span == chosen,
            )
            for span, label in PRESETS.items()
        ]

    # Lines

    def _row(self, line: Line, state: PoolState, found: Explanation) -> dict[str, Any]:
        key = str(line.key)
        is_open = Key.parse(self.request.GET.get("open", "")) == line.key
        row = {
            "key": key,
            "label": _label(line),
            "note": _note(line),
            "amount": signed(line.amount),
            "is_plus": line.amount > 0,
            "is_open": is_open,
            "url": self._here(open="" if is_open else key, before="") + f"#{key}",
            "proofs": [],
            "older_url": "",
            "newest_url": "",
        }
        if is_open:
            before = number_from(self.request.GET.get("before"))
            proofs = explanation.proofs(state, found, line, before=before)
            row["proofs"] = [self._proof(proof) for proof in proofs.found]
            if proofs.older:
                row["older_url"] = self._here(before=proofs.older) + f"#{key}"
            if before:
                row["newest_url"] = self._here(before="") + f"#{key}"
        return row

    def _proof(self, proof: Proof) -> dict[str, Any]:
        entry = proof.entry
        grant_admin = self.model_admin.admin_site.get_model_admin(Grant)
        used = entry.consumption
        return {
            "entry": entry,
            "reason": proof.reason,
            "grant_url": grant_admin.object_url(entry.grant) if entry.grant.pk else "",
            "used_at": used.used_at if used and used.used_at != entry.effective_at else None,
        }

    # The sentence

    def _sentence(
        self, found: Explanation, since: datetime, until: datetime, *, as_known: bool
    ) -> str:
        """All of it in words that can be sent to a customer."""
        book = ", by what was written down by then," if as_known else ""
        balance = f"{in_digits(found.closing)} {self._units(found.closing)}"
        words = f"On {instant(until)}{book} {name_of(self.object)} had a balance of {balance}."
        words += f" On {instant(since)} it was {in_digits(found.opening)}"
        came = wording.joined(
            f"{in_digits(line.amount)} from {_label(line)}"
            for line in found.lines
            if line.amount > 0
        )
        went = wording.joined(
            f"{in_digits(-line.amount)} {_went_to(line)}" for line in found.lines if line.amount < 0
        )
        if not came and not went:
            return words + ", and nothing has changed it since."
        words += "."
        if came:
            words += f" Added since: {came}."
        if went:
            words += f" Gone since: {went}."
        gained = sum((line.amount for line in found.lines if line.amount > 0), Decimal(0))
        lost = sum((-line.amount for line in found.lines if line.amount < 0), Decimal(0))
        return (
            f"{words} {in_digits(found.opening)} + {in_digits(gained)} − {in_digits(lost)} = "
            f"{in_digits(found.closing)}."
        )

    def _units(self, amount: Decimal) -> str:
        return wording.units_of(self.object.credit_type, amount)

    def _here(self, **changes: Any) -> str:
        """The address of this page with some parameters changed, or left out if empty."""
        kept = {name: self.request.GET[name] for name in self.request.GET} | changes
        query = urlencode({name: value for name, value in kept.items() if value not in ("", None)})
        return f"{self.request.path}?{query}"


def _label(line: Line) -> str:
    match line.key.kind:
        case Kind.GRANTED:
            return _source(line)
        case Kind.EARLIER:
            return f"{line.count} earlier grants" if line.count > 1 else "1 earlier grant"
        case Kind.USED:
            return f"Used: {line.feature}" if line.feature else "Used without a feature"
    return WORDS[line.key.kind]


def _source(line: Line) -> str:
    """Such as "Plan Pro", "Add-on Extra × 3", "Manual top-up: Order 4711"."""
    assert line.entry is not None, "a grant has a line of its own by its entry"
    grant = line.entry.grant
    source = summaries.source_of(grant)
    if grant.type != GrantType.RECURRING:
        return f"{source}: {grant.name}"
    is_addon = grant.source_type == GrantSource.ADDON_ENTITLEMENT
    if is_addon and grant.units is not None and grant.units > 1:
        return f"{source} × {in_digits(grant.units)}"
    return source


def _note(line: Line) -> str:
    if line.entry is not None:
        return instant(line.entry.effective_at)
    return f"{line.count:,} entries" if line.count > 1 else "1 entry"


def _went_to(line: Line) -> str:
    match line.key.kind:
        case Kind.USED:
            return f"used for {line.feature}" if line.feature else "used without a feature"
        case Kind.TAKEN:
            return "subtracted by people"
        case Kind.EXPIRED:
            return "expired"
    return "revoked or taken back"
