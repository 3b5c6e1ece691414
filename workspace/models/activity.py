"""What happened: rows that are added and never changed."""

from typing import ClassVar

from django.db import models

from workspace import triggers
from workspace.actors import Actor, ActorKind
from workspace.json import ExactEncoder


class ActivityQuerySet(models.QuerySet["Activity"]):
    def of_subject(self, kind: str, public_id: str) -> "ActivityQuerySet":
        """What happened to one object."""
        return self.filter(subject_kind=kind, subject_id=public_id)

    def of_customer(self, customer: str) -> "ActivityQuerySet":
        """What happened to one customer and everything of theirs."""
        return self.filter(customer=customer)

    def newest_first(self) -> "ActivityQuerySet":
        return self.order_by("-created_at", "-id")


class Activity(models.Model):
    """Something that happened: who did what to which object, and when (R53, X20).

    Written only by `activity.record`, never changed and never deleted.
    """

    event = models.CharField(max_length=64)
    subject_kind = models.CharField("kind", max_length=64)
    subject_id = models.CharField("object", max_length=255)
    customer = models.CharField(max_length=255, null=True)  # noqa: DJ001 - most have none
    actor_kind = models.CharField(max_length=16, choices=ActorKind)
    actor_id = models.CharField(max_length=255)
    actor_name = models.CharField("actor", max_length=255)
    trace_id = models.CharField(max_length=32)
    payload = models.JSONField(default=dict, encoder=ExactEncoder)
    created_at = models.DateTimeField("time")

    objects: ClassVar[ActivityQuerySet] = ActivityQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name_plural = "activity"
        default_permissions = ["view"]
        indexes = [
            models.Index(
                fields=["subject_kind", "subject_id", "-created_at", "-id"], name="activity_subject"
            ),
            models.Index(fields=["customer", "-created_at", "-id"], name="activity_customer"),
            models.Index(fields=["-created_at", "-id"], name="activity_newest"),
        ]

    def __str__(self) -> str:
        return self.words

    @property
    def words(self) -> str:
        """The event as people say it: "Credit grant updated" for `credit_grant.updated`."""
        said = self.event.replace(".", " ").replace("_", " ").replace("api ", "API ")
        return said[:1].upper() + said[1:]

    @property
    def actor(self) -> Actor:
        return Actor(ActorKind(self.actor_kind), self.actor_id, self.actor_name)


TRIGGERS = triggers.append_only(Activity._meta.db_table, "Activity is never changed.")
