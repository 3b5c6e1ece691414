"""Where exports of data are wanted."""

from django.db import models

from workspace.ids import PublicIdField


class ExportDestination(models.Model):
    """A data warehouse that somebody wants exports in, and which models of data.

    It is remembered for whoever exports; nothing here reaches it.
    """

    public_id = PublicIdField("ID", unique=True)
    type = models.CharField(max_length=64)
    integration_id = models.CharField(max_length=255, blank=True)
    enabled_models = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    class Meta:
        verbose_name = "export destination"
        ordering = ["created_at", "pk"]

    def __str__(self) -> str:
        return self.public_id
