"""Grants in the command palette."""

from uuid import UUID

from django.urls import reverse
from django.utils import timezone

from credits.models import Grant
from workspace.admin import palette
from workspace.admin.palette import MOST_FOUND, Found


@palette.finder("Grants", icon="token", permission="credits.view_grant")
def grants(typed: str) -> list[Found]:
    """By a whole ID, or by how the name of one begins that was bought or given."""
    rows = Grant.objects.select_related("pool__customer", "pool__credit_type")
    try:
        found = list(rows.filter(public_id=UUID(typed)))
    except ValueError:
        found = list(rows.given_as(typed)[:MOST_FOUND])
    now = timezone.now()
    return [
        Found(
            grant.name,
            reverse("admin:credits_grant_change", args=[grant.pk]),
            f"{grant.pool.customer}, {grant.status_at(now).label.lower()}",
        )
        for grant in found
    ]
