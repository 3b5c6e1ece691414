"""What a publication would do to customers, told by the apps that know them.

The catalog knows no subscription. An app to its right hands a function to `register` in its
`AppConfig.ready`; the publish page asks all of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from catalog.models import Package, PackageVersion


@dataclass(frozen=True)
class ImpactLine:
    """One fact, such as ("Subscriptions on earlier versions", "12").

    `for_all` is what ALL_CUSTOMERS would do, `for_new` what NEW_CUSTOMERS would.
    """

    label: str
    for_all: str
    for_new: str = "–"


@dataclass(frozen=True)
class Preview:
    """What was worked out about every customer. `id` goes with the publication it belongs to.

    `url` leads to it, or to where it is asked for; `state` says in a sentence how far it is.
    """

    id: int | None
    url: str
    state: str


@dataclass(frozen=True)
class Holders:
    """Who stands on the versions of a package: numbers by version, and where to migrate them.

    `permission` is what that takes.
    """

    numbers: Mapping[int, int]
    migrate_url: str
    permission: str


Source = Callable[[PackageVersion, datetime], list[ImpactLine]]

Previewer = Callable[[PackageVersion, datetime], Preview]

HolderCount = Callable[[Package, datetime], Holders]

_sources: list[Source] = []
_previewers: list[Previewer] = []
_holder_counts: list[HolderCount] = []


def register(source: Source) -> None:
    """Ask `source(draft, now)` too. Harmless when repeated. It must not write."""
    if source not in _sources:
        _sources.append(source)


def lines(draft: PackageVersion, *, now: datetime) -> list[ImpactLine]:
    """What all sources say about publishing `draft` at `now`, in the order they registered."""
    return [line for source in _sources for line in source(draft, now)]


def register_previewer(previewer: Previewer) -> None:
    """Let `previewer(draft, now)` say where every customer is looked at. It must not write."""
    if previewer not in _previewers:
        _previewers.append(previewer)


def previews(draft: PackageVersion, *, now: datetime) -> list[Preview]:
    """The previews of publishing `draft`, one for each app that makes some."""
    return [previewer(draft, now) for previewer in _previewers]


def register_holders(count: HolderCount) -> None:
    """Let `count(package, now)` say who stands on its versions. It must not write."""
    if count not in _holder_counts:
        _holder_counts.append(count)


def holders(package: Package, *, now: datetime) -> list[Holders]:
    """Who stands on the versions of a package, one for each app that knows some."""
    return [count(package, now) for count in _holder_counts]
