"""Runs: work that somebody leaves to the worker, which does it in their name."""

from typing import Any

from django.db import models

from workspace.actors import Actor, ActorKind


class Run(models.Model):
    """What all runs have: who said so, and when it began and ended."""

    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=255)
    actor_name = models.CharField(max_length=255)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True

    @property
    def actor(self) -> Actor:
        """Whoever said so: it happens in their name."""
        return Actor(ActorKind(self.actor_kind), self.actor_id, self.actor_name)


def in_the_name_of(actor: Actor) -> dict[str, Any]:
    """The columns of a run that remember `actor`."""
    return {
        "actor_kind": actor.kind,
        "actor_id": actor.identifier,
        "actor_name": actor.name,
    }
