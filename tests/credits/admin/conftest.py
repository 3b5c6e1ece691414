from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
import time_machine

from tests.credits.pools import START
from tests.workspace.admin.conftest import Visitor
from tests.workspace.builders import a_user
from workspace.models import Role

EVERYBODY = list(Role)
ADJUSTERS = [Role.ADMINISTRATOR, Role.CUSTOMER_SUPPORT]
ONLOOKERS = [Role.PRODUCT_MANAGER, Role.READ_ONLY]


class Clock:
    """Stands still; a call moves it on. Visitors sign in again, for sessions end with the day."""

    def __init__(self, traveller: Any) -> None:
        self.traveller = traveller
        self.visitors: list[Visitor] = []

    def __call__(self, at: datetime) -> None:
        self.traveller.move_to(at, tick=False)
        for visitor in self.visitors:
            visitor.force_login(visitor.user)


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Shows the start of all subscriptions."""
    with time_machine.travel(START, tick=False) as traveller:
        yield Clock(traveller)


@pytest.fixture
def visit(db: None, clock: Clock) -> Callable[[Role], Visitor]:
    """Signs somebody with that role in."""

    def sign_in(role: Role) -> Visitor:
        clock.visitors.append(Visitor(a_user(role)))
        return clock.visitors[-1]

    return sign_in


@pytest.fixture
def support(visit: Callable[[Role], Visitor]) -> Visitor:
    """Somebody who may adjust credits."""
    return visit(Role.CUSTOMER_SUPPORT)


@pytest.fixture
def reader(visit: Callable[[Role], Visitor]) -> Visitor:
    """Somebody who may only look."""
    return visit(Role.READ_ONLY)
