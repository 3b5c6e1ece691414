"""Answers that are remembered for requests that come again."""

from django.db import models


class IdempotentAnswer(models.Model):
    """The first answer to a request with an `Idempotency-Key` (end of R40).

    Written only by `acts.once`, in the transaction of the change it answers for.
    """

    principal = models.CharField(max_length=300)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(default="")
    created_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["principal", "key"], name="one_answer_per_key"),
        ]
        indexes = [models.Index(fields=["created_at"], name="answers_by_age")]

    def __str__(self) -> str:
        return self.key
