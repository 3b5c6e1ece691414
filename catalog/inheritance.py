"""What a plan has from its base plan (R5).

A child has everything of its base plan; its own entitlement for the same credit type or
feature, and its own mapping of the same feature and credit type, replaces the inherited one.
A published version inherits from the version its base plan had at that moment; a draft from
the base plan's live version.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from django.db import connection

from catalog.models import (
    ConsumptionMapping,
    CreditEntitlement,
    FeatureEntitlement,
    PackageVersion,
)

Part = TypeVar("Part", CreditEntitlement, FeatureEntitlement, ConsumptionMapping)

LINEAGE = """
    WITH RECURSIVE lineage (start, version_id, distance) AS (
        SELECT id, id, 0 FROM catalog_packageversion WHERE id IN ({places})
        UNION ALL
        SELECT lineage.start,
               CASE WHEN child.published_at IS NULL THEN base.live_id
                    ELSE child.base_version_id END,
               lineage.distance + 1
        FROM lineage
        JOIN catalog_packageversion child ON child.id = lineage.version_id
        LEFT JOIN catalog_package base ON base.id = child.base_plan_id
        WHERE lineage.distance < {deepest}
    )
    SELECT start, version_id FROM lineage WHERE version_id IS NOT NULL ORDER BY start, distance
"""
DEEPEST = 100
"""More ancestors than anybody will make; a cycle could not hang us."""


def lineages(version_ids: Iterable[int]) -> dict[int, list[int]]:
    """Each version's own id, followed by those it inherits from, nearest first. One query."""
    wanted = sorted(set(version_ids))
    found: dict[int, list[int]] = {version_id: [] for version_id in wanted}
    if wanted:
        statement = LINEAGE.format(places=", ".join(["%s"] * len(wanted)), deepest=DEEPEST)
        with connection.cursor() as cursor:
            cursor.execute(statement, wanted)
            for start, version_id in cursor.fetchall():
                found[start].append(version_id)
    return found


def effective_credit_entitlements(version: PackageVersion) -> list[CreditEntitlement]:
    """The credits a version includes, its own and inherited (R5), in order; two queries.

    An inherited one has the `version_id` of the version it comes from.
    """
    return credit_entitlements_of([version.pk])[version.pk]


def credit_entitlements_of(version_ids: Iterable[int]) -> dict[int, list[CreditEntitlement]]:
    """`effective_credit_entitlements` of many versions, in two queries."""
    return _effective(
        lineages(version_ids),
        lambda ids: (
            CreditEntitlement.objects.filter(version_id__in=ids)
            .select_related("credit_type", "linked_feature", "version")
            .order_by("position", "pk")
        ),
        lambda entitlement: entitlement.credit_type_id,
    )


def effective_feature_entitlements(version: PackageVersion) -> list[FeatureEntitlement]:
    """The features a version includes, its own and inherited (R5), in order; two queries."""
    return feature_entitlements_of([version.pk])[version.pk]


def feature_entitlements_of(version_ids: Iterable[int]) -> dict[int, list[FeatureEntitlement]]:
    """`effective_feature_entitlements` of many versions, in two queries."""
    return _effective(
        lineages(version_ids),
        lambda ids: (
            FeatureEntitlement.objects.filter(version_id__in=ids)
            .select_related("feature", "version")
            .order_by("position", "pk")
        ),
        lambda entitlement: entitlement.feature_id,
    )


def effective_mappings(version: PackageVersion) -> list[ConsumptionMapping]:
    """What use costs in credits under a version, its own and inherited (R33); two queries."""
    return mappings_of([version.pk])[version.pk]


def mappings_of(version_ids: Iterable[int]) -> dict[int, list[ConsumptionMapping]]:
    """`effective_mappings` of many versions, in two queries."""
    return _effective(
        lineages(version_ids),
        lambda ids: (
            ConsumptionMapping.objects.filter(version_id__in=ids)
            .select_related("feature", "credit_type", "version")
            .order_by("pk")
        ),
        lambda mapping: (mapping.feature_id, mapping.credit_type_id),
    )


def _effective(
    ancestry: dict[int, list[int]],
    fetch: Callable[[set[int]], Iterable[Part]],
    replaces: Callable[[Part], Hashable],
) -> dict[int, list[Part]]:
    """For each version its parts; of those that replace each other the nearest stays.

    Inherited parts come first, as the screens show them.
    """
    by_version: dict[int, list[Part]] = {}
    for part in fetch({version_id for line in ancestry.values() for version_id in line}):
        by_version.setdefault(part.version_id, []).append(part)
    return {start: _nearest(line, by_version, replaces) for start, line in ancestry.items()}


def _nearest(
    line: Sequence[int],
    by_version: dict[int, list[Part]],
    replaces: Callable[[Part], Hashable],
) -> list[Part]:
    seen: set[Hashable] = set()
    layers: list[list[Part]] = []
    for version_id in line:
        layer = [part for part in by_version.get(version_id, []) if replaces(part) not in seen]
        seen.update(replaces(part) for part in layer)
        layers.append(layer)
    return [part for layer in reversed(layers) for part in layer]
