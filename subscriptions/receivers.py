"""Answers to what the catalog tells."""

from datetime import datetime

from catalog.impact import ImpactLine
from catalog.models import PackageVersion, Product
from subscriptions import rollout
from subscriptions.models import Subscription
from workspace.actors import Actor
from workspace.errors import Conflict


class ProductHasSubscriptions(Conflict):
    """Whether customers may have several subscriptions is fixed after the first (R4)."""


def follow_publication(
    *,
    version: PackageVersion,
    audience: str,
    preview_id: int | None = None,
    actor: Actor,
    now: datetime,
    **kwargs: object,
) -> str | None:
    """Bring subscriptions to the new version, those in force later; name the run (R12, R13)."""
    run = rollout.announce(
        version=version, audience=audience, report_id=preview_id, actor=actor, now=now
    )
    return str(run.pk) if run is not None else None


def keep_multiplicity(*, product: Product, changed: frozenset[str], **kwargs: object) -> None:
    """Refuse to change how many subscriptions a customer may have, once there is one (R4)."""
    is_changed = "multiple_subscriptions" in changed
    if is_changed and Subscription.objects.filter(product=product).exists():
        raise ProductHasSubscriptions(
            f"{product.name} has subscriptions, so one or several per customer is fixed.",
            field="multiple_subscriptions",
        )


def impact_of(draft: PackageVersion, now: datetime) -> list[ImpactLine]:
    """How many subscriptions a publication of `draft` would move (R9, R10)."""
    having = rollout.having(draft.package, now)
    started = having.filter(started_at__lte=now).count()
    waiting = having.filter(started_at__gt=now).count()
    lines = [
        ImpactLine("Subscriptions that move to this version", str(started + waiting), str(waiting)),
        ImpactLine("Subscriptions that stay on earlier versions", "0", str(started)),
    ]
    return lines if started or waiting else []
