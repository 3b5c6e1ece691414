"""What a publication would do to customers, told by the apps that know them.

The catalog knows no subscription. An app to its right hands a function to `register` in its
`AppConfig.ready`; the publish page asks all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from catalog.models import PackageVersion


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


Source = Callable[[PackageVersion, datetime], list[ImpactLine]]

Previewer = Callable[[PackageVersion, datetime], Preview]

_sources: list[Source] = []
_previewers: list[Previewer] = []


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
