from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pytest

from subscriptions.models import Subscription
from subscriptions.signals import subscription_changed, subscription_ended, subscription_started


class Told(NamedTuple):
    """What was said about a subscription."""

    what: str
    subscription: str
    cause: str | None = None
    resets: bool | None = None


@pytest.fixture
def told() -> Iterator[list[Told]]:
    """Everything that subscriptions tell the others during a test."""
    said: list[Told] = []

    def started(subscription: Subscription, **kwargs: Any) -> None:
        said.append(Told("started", subscription.public_id))

    def changed(subscriptions: Sequence[Subscription], **kwargs: Any) -> None:
        said.extend(
            Told("changed", subscription.public_id, kwargs["cause"], kwargs["resets"])
            for subscription in subscriptions
        )

    def ended(subscription: Subscription, **kwargs: Any) -> None:
        said.append(Told("ended", subscription.public_id))

    subscription_started.connect(started, weak=False)
    subscription_changed.connect(changed, weak=False)
    subscription_ended.connect(ended, weak=False)
    yield said
    subscription_started.disconnect(started)
    subscription_changed.disconnect(changed)
    subscription_ended.disconnect(ended)
