"""Walk through the admin by its links, as one person after another would: every screen there is.

Nobody has to list the screens: what a link leads to is found, and `unseen` tells what none
leads to.
"""

from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator
from html.parser import HTMLParser
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qsl, urljoin, urlsplit

from django.contrib import admin
from django.db.models import Model
from django.http import HttpResponseBase
from django.test import Client
from django.urls import NoReverseMatch, Resolver404, resolve, reverse

from workspace.admin.pages import model_url

HOME = "/admin/"
OK = HTTPStatus.OK
OBJECTS, FILTERS, OTHERS = 10, 5, 2
"""So many objects, values of a filter, and other pages of a kind are opened: what they lead to
differs."""
SAME_SCREEN = {"next", "o", "p", "page", "q", "_changelist_filters"}
"""Parameters that sort, turn pages or remember, and show no other screen."""


class Screen(NamedTuple):
    """A page: what kind it is, where it is, and what it answered."""

    name: str
    address: str
    status: int
    html: str


class Links(HTMLParser):
    """Collects where the links of a page lead."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a" and (address := dict(attrs).get("href")):
            self.found.append(address)


def walk(client: Client) -> Iterator[Screen]:
    """Yield every page of the admin that somebody signed in with `client` finds by links.

    They begin at the home page and at the list of every model. Of each kind of page, a few
    objects are opened, and each filter.
    """
    waiting = deque([HOME, *(model_url(model, "changelist") for model in admin.site._registry)])
    seen, opened = set(waiting), Counter[Kind]()
    while waiting:
        address = waiting.popleft()
        kind = kind_of(address)
        if kind is None or opened[kind] >= most_of(kind):
            continue
        opened[kind] += 1
        answer = client.get(address)
        html = answer.content.decode() if _is_page(answer) else ""
        yield Screen(kind[0], address, answer.status_code, html)
        for link in links(html):
            target = urljoin(address, link).partition("#")[0]
            if target.startswith(HOME) and target not in seen:
                seen.add(target)
                waiting.append(target)


Kind = tuple[str, frozenset[str]]
"""The name of a page, and the parameters that make it another screen."""


def most_of(kind: Kind) -> int:
    """How many pages of a kind are opened."""
    name, asked = kind
    if name.endswith("_changelist"):
        return FILTERS if len(asked) <= 1 else 0
    return OBJECTS if name.endswith("_change") and not asked else OTHERS


def kind_of(address: str) -> Kind | None:
    """What page an address leads to; None if none of ours."""
    split = urlsplit(address)
    try:
        name = resolve(split.path).url_name
    except Resolver404:
        return None
    asked = frozenset(key for key, _ in parse_qsl(split.query)) - SAME_SCREEN
    return (name, asked) if name else None


def each_once(client: Client) -> Iterator[Screen]:
    """Yield one page of every kind, as far as it is shown: what is downloaded is none."""
    names = set()
    for screen in walk(client):
        if screen.name not in names and screen.status == OK and screen.html:
            names.add(screen.name)
            yield screen


def links(html: str) -> Iterable[str]:
    """Where the links of a page lead."""
    parser = Links()
    parser.feed(html)
    return parser.found


def unseen(client: Client, names: Collection[str]) -> list[str]:
    """The pages, other than `names`, that the admin shows to those who know their address."""
    return [
        pattern.name
        for model, model_admin in admin.site._registry.items()
        for pattern in model_admin.get_urls()
        if pattern.name
        and pattern.name not in names
        and _shows(client, pattern.name, model._default_manager.first())
    ]


def _shows(client: Client, name: str, an_object: Model | None) -> bool:
    """Whether a page answers, about an object if it is about one."""
    for arguments in ([], [an_object.pk if an_object else 0]):
        try:
            address = reverse(f"admin:{name}", args=arguments)
        except NoReverseMatch:
            continue
        answer = client.get(address)
        return answer.status_code == OK and _is_page(answer)
    return False


def _is_page(answer: HttpResponseBase) -> bool:
    """Whether an answer is shown; others are downloaded."""
    return answer.get("Content-Type", "").startswith("text/html")
