"""A file beside the catalog: what it adds, changes and takes out, field by field (R9)."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import yaml

from catalog.comparison import Change, Kind
from catalog.models import BillingModel, BillingPeriod
from catalog.transfer.kinds import Entry
from catalog.transfer.shapes import SECTIONS, Document, Dumper

NOUNS = {
    "credit_types": "Credit type",
    "features": "Feature",
    "products": "Product",
    "coupons": "Coupon",
    "addons": "Add-on",
    "plans": "Plan",
}


def differences(before: Document, after: Document) -> list[Change]:
    """What `after` makes of `before`, in the order of the file; what it does not name stays."""
    changes: list[Change] = []
    for section in SECTIONS:
        for public_id, entry in after[section].items():
            old = before[section].get(public_id)
            if old != entry:
                heading = f"{NOUNS[section]} {entry['name']} ({public_id})"
                changes += _of_object(heading, section, old, entry)
    return changes


def _of_object(heading: str, section: str, old: Entry | None, new: Entry) -> list[Change]:
    changes = []
    if old is None:
        changes.append(Change(heading, Kind.ADDED, "New", "", ""))
    for field in SECTIONS[section].fields:
        before = field.default if old is None else old[field.name]
        after = new[field.name]
        if field.name == "id" or before == after:
            continue
        if field.name in KEYS:
            changes += _of_parts(heading, field.name, before, after)
        else:
            shown_before = "" if old is None else _shown(field.kind, before)
            changes += _of_value(heading, field.name, shown_before, _shown(field.kind, after))
    return changes


def _of_value(heading: str, label: str, before: str, after: str) -> list[Change]:
    if before == after:
        return []
    kind = Kind.CHANGED if before and after else Kind.ADDED if after else Kind.REMOVED
    return [Change(heading, kind, label, before, after)]


KEYS: Mapping[str, Sequence[str]] = {
    "entitlements": ("credits", "feature"),
    "prices": ("model", "period", "cadence", "country", "feature", "credits", "overage"),
    "consumption": ("feature", "credits"),
}
"""What tells the parts of a package apart; parts that share all of it, by their place."""


def _of_parts(
    heading: str, name: str, before: Sequence[Entry], after: Sequence[Entry]
) -> list[Change]:
    """The parts of a package: what is on both sides is compared field by field."""
    old, new = _keyed(name, before), _keyed(name, after)
    changes = []
    for key, entry in new.items():
        label = _label(name, entry)
        if key not in old:
            changes.append(Change(heading, Kind.ADDED, label, "", _line(_written(name, entry))))
            continue
        mine, theirs = _written(name, old[key]), _written(name, entry)
        for field in [*mine, *(field for field in theirs if field not in mine)]:
            if mine.get(field) != theirs.get(field):
                values = [_line(side[field]) if field in side else "" for side in (mine, theirs)]
                changes.append(Change(heading, Kind.CHANGED, f"{label} – {field}", *values))
    changes += [
        Change(heading, Kind.REMOVED, _label(name, entry), _line(_written(name, entry)), "")
        for key, entry in old.items()
        if key not in new
    ]
    kept_before = [key for key in old if key in new]
    kept_after = [key for key in new if key in old]
    if kept_before != kept_after:
        orders = [
            ", ".join(_label(name, side[key]) for key in keys)
            for side, keys in ((old, kept_before), (new, kept_after))
        ]
        changes.append(Change(heading, Kind.CHANGED, f"Order of {name}", *orders))
    return changes


def _keyed(name: str, entries: Sequence[Entry]) -> dict[Hashable, Entry]:
    keyed: dict[Hashable, Entry] = {}
    for entry in entries:
        key = tuple((field, entry.get(field)) for field in KEYS[name])
        twins = sum(1 for known in keyed if isinstance(known, tuple) and known[1] == key)
        keyed[twins, key] = entry
    return keyed


def _label(name: str, entry: Entry) -> str:
    if name == "prices":
        is_base = entry["model"] == BillingModel.FLAT_FEE
        model = "price" if is_base else BillingModel(entry["model"]).label.lower()
        words = [BillingPeriod(entry["period"]).label, model, entry["feature"], entry["credits"]]
        return " ".join(filter(None, words))
    if name == "consumption":
        return f"{entry['feature']} → {entry['credits']}"
    return str(entry.get("credits") or entry.get("feature"))


def _written(name: str, entry: Entry) -> dict[str, Any]:
    """An entry as a file has it, without what is its default."""
    kind = {field.name: field.kind for field in SECTIONS["plans"].fields}[name].kind  # type: ignore[attr-defined]
    written: dict[str, Any] = kind.write(entry)
    return written


def _shown(kind: Any, value: Any) -> str:
    if value is None or value in ("", [], {}):
        return ""
    return _line(kind.write(value))


def _line(value: Any) -> str:
    """A value in one line, as YAML writes it."""
    if isinstance(value, str):
        return value
    text = yaml.dump(
        value,
        Dumper=Dumper,
        default_flow_style=True,
        sort_keys=False,
        allow_unicode=True,
        width=10**9,
    )
    return text.removesuffix("\n").removesuffix("\n...").strip("{}")
