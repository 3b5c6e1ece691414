"""The command palette: type, and go there.

Other apps tell what can be found by decorating a function with `finder`; nothing here knows
them. What a person may not view is not looked for.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from workspace.text import UNSEEN

MOST_FOUND = 6
"""Of each kind; whoever wants more goes to the list."""
LONGEST = 255
"""Letters of what is typed that count."""


@dataclass(frozen=True, slots=True)
class Found:
    """Something that was found. `note` tells it from others of its name."""

    title: str
    url: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """What is found under one heading."""

    label: str
    icon: str
    found: list[Found] = field(default_factory=list)


Finder = Callable[[str], list[Found]]


@dataclass(frozen=True, slots=True)
class _Source:
    label: str
    icon: str
    permission: str
    find: Finder


_sources: list[_Source] = []


def finder(label: str, *, icon: str, permission: str) -> Callable[[Finder], Finder]:
    """Let the palette find what a function finds, at most `MOST_FOUND`, best first.

    It gets what was typed, without blanks at its ends and never empty; it must be quick
    however many rows there are.
    """

    def declare(find: Finder) -> Finder:
        _sources.append(_Source(label, icon, permission, find))
        return find

    return declare


def search(request: HttpRequest) -> HttpResponse:
    """What can be gone to, as options of a list box."""
    typed = " ".join(request.GET.get("s", "")[:LONGEST].split())
    kinds = list(_kinds(request, typed))
    count = sum(len(kind.found) for kind in kinds)
    context = {"kinds": kinds, "count": count, "typed": typed}
    return render(request, "admin/workspace/palette_results.html", context)


def _kinds(request: HttpRequest, typed: str) -> Iterator[Kind]:
    screens = [found for found in _screens(request) if _fits(found.title, typed)]
    if screens:
        yield Kind("Go to", "arrow_forward", screens)
    if not typed or UNSEEN.search(typed):
        return
    for source in _sources:
        if request.user.has_perm(source.permission) and (found := source.find(typed)):
            yield Kind(source.label, source.icon, found[:MOST_FOUND])


def _fits(title: str, typed: str) -> bool:
    """Whether every word of what was typed begins a word of the title."""
    words = title.casefold().replace("-", " ").split()
    return all(
        any(word.startswith(wanted) for word in words)
        for wanted in typed.casefold().replace("-", " ").split()
    )


def _screens(request: HttpRequest) -> list[Found]:
    """The lines of the sidebar that this person sees."""
    site: Any = admin.site
    return [
        Found(str(line["title"]), str(line["link"]), str(group["title"]))
        for group in site.get_sidebar_list(request)
        for line in group["items"]
        if line["has_permission"]
    ]
