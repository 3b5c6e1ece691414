"""A real Chromium, in front of a real server, that complains about every error it sees."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connections
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from scripts import chromium
from tests.browser.looks import LOOKS

HERE = Path(__file__).parent
PATIENCE = 30_000
"""Milliseconds that a busy machine may take to show what a test waits for."""
LOCAL_SCHEMES = {"about", "blob", "data"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of this folder that a process runs.

    No longer than that: while Playwright's event loop runs in this thread, Django keeps its
    connections to the database apart from those it had opened before, and those of the loop
    must not outlive it. Nobody could reach them any more, and PostgreSQL would still count
    them as somebody who uses the database.
    """
    if chromium.PATH is None:
        if os.environ.get("CI") == "true":
            pytest.fail(chromium.MISSING)
        pytest.skip(chromium.MISSING)
    expect.set_options(timeout=PATIENCE)
    with pytest.MonkeyPatch.context() as patch:
        # Playwright keeps an event loop in this thread, in which Django would refuse to query.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        with sync_playwright() as playwright:
            launched = playwright.chromium.launch(
                executable_path=chromium.PATH, args=chromium.FLAGS
            )
            yield launched
            launched.close()
            connections.close_all()


@pytest.fixture
def look(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Size and colours of the page; see `looks.in_every_look`."""
    return LOOKS[getattr(request, "param", "wide")]


@pytest.fixture
def complaints() -> list[str]:
    """What the browser did not like; a test that provokes an error clears it afterwards."""
    return []


@pytest.fixture
def page(
    live_server: LiveServer, browser: Browser, look: dict[str, Any], complaints: list[str]
) -> Iterator[Page]:
    """An empty page in a fresh profile; `page.goto("/admin/")` finds the server.

    Fails the test at its end where a script failed, the console shows an error, or anything
    was asked of another host.
    """

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(f"console: {message.text} ({message.location['url']})")

    context = browser.new_context(base_url=live_server.url, timezone_id="UTC", **look)
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
    page.on("console", hear)
    own_host = urlsplit(live_server.url).netloc

    def stay_at_home(route: Route) -> None:
        address = urlsplit(route.request.url)
        if address.netloc == own_host or address.scheme in LOCAL_SCHEMES:
            route.continue_()
        else:
            complaints.append(f"another host: {route.request.url}")
            route.abort()

    context.route("**/*", stay_at_home)
    yield page
    context.close()
    assert complaints == []
