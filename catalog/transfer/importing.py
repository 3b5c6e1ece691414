"""A catalog file is reviewed, then taken in as a whole or not at all.

Credit types, features, products and coupons have no drafts: they become what the file says.
Plans and add-ons get drafts, which are published if that was asked for. What a file does not
name stays as it is.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from catalog.comparison import Change
from catalog.models import Package, Product
from catalog.publishing import Audience
from catalog.transfer import reading, shapes
from catalog.transfer.difference import differences
from catalog.transfer.shapes import Document
from catalog.transfer.writing import KINDS, Importer
from workspace import activity
from workspace.actors import Actor
from workspace.acts import together
from workspace.errors import Conflict


class CatalogChanged(Conflict):
    """The catalog is no longer what it was when the file was reviewed."""


@dataclass
class Review:
    """What a file would do, or did.

    `changes` are those of the catalog, `notes` what else there is to know. `fingerprint`
    stands for the file, its use and the catalog as they were.
    """

    changes: list[Change]
    fingerprint: str
    notes: list[str] = field(default_factory=list)
    writes: int = 0
    drafts: int = 0
    published: int = 0

    @property
    def does_something(self) -> bool:
        """Whether anything is written."""
        return bool(self.writes or self.drafts or self.published)

    @property
    def counts(self) -> str:
        """How much of what, such as "2 drafts, 1 published version"."""
        parts = [
            (
                self.writes,
                "credit type, feature, product or coupon",
                "credit types, features, products or coupons",
            ),
            (self.drafts, "draft", "drafts"),
            (self.published, "published version", "published versions"),
        ]
        named = [
            f"{number} {one if number == 1 else many}" for number, one, many in parts if number
        ]
        return ", ".join(named) or "nothing"


class _Rehearsed(Exception):
    """Everything went well, and nothing of it is to stay."""


def review(
    content: bytes, *, audience: Audience | None = None, actor: Actor, now: datetime
) -> Review:
    """What taking in a file would do: it is done, and taken back.

    Raises:
        FileRefused: the file cannot be taken; says why and in which line.
    """
    document = shapes.document_of(reading.read(reading.decoded(content)))
    kept: list[Review] = []

    def rehearse() -> None:
        kept.append(_take(content, document, audience, actor=actor, now=now))
        raise _Rehearsed

    try:
        together(rehearse)
    except _Rehearsed:
        return kept[-1]
    raise AssertionError("a rehearsal always ends early")


def take(
    content: bytes,
    *,
    audience: Audience | None = None,
    fingerprint: str | None = None,
    actor: Actor,
    now: datetime,
) -> Review:
    """Make the catalog what a file says, all of it or nothing.

    Plans and add-ons get drafts; with an `audience` these are published (R9). `fingerprint` is
    that of the review somebody looked at.

    Raises:
        FileRefused: the file cannot be taken; says why and in which line.
        CatalogChanged: `fingerprint` belongs to another file, or the catalog changed since.
    """
    document = shapes.document_of(reading.read(reading.decoded(content)))

    def run() -> Review:
        done = _take(content, document, audience, actor=actor, now=now)
        if fingerprint is not None and done.fingerprint != fingerprint:
            raise CatalogChanged(
                "The catalog changed since you looked at the differences. Nothing was written; "
                "review the file again."
            )
        if done.does_something:
            activity.record(
                "catalog.imported",
                subject=("catalog", "catalog"),
                actor=actor,
                now=now,
                payload={
                    "file": hashlib.sha256(content).hexdigest(),
                    "changes": len(done.changes),
                    "written": done.writes,
                    "drafts": done.drafts,
                    "published": done.published,
                },
            )
        return done

    return together(run)


def _take(
    content: bytes,
    document: Document,
    audience: Audience | None,
    *,
    actor: Actor,
    now: datetime,
) -> Review:
    _lock(document)
    importer = Importer(document, audience, actor=actor, now=now)
    states = (shapes.text_of(importer.on_sale), shapes.text_of(importer.edited), str(audience))
    fingerprint = hashlib.sha256()
    for part in (content, *(state.encode() for state in states)):
        fingerprint.update(hashlib.sha256(part).digest())
    importer.run()
    return Review(
        changes=differences(importer.before, document),
        fingerprint=fingerprint.hexdigest(),
        notes=importer.notes,
        writes=importer.writes,
        drafts=importer.drafts,
        published=importer.published,
    )


def _lock(document: Document) -> None:
    """Keep others from the products and packages that the file names, until the end."""
    rows = Product.objects.filter(public_id__in=list(document["products"]))
    list(rows.select_for_update().order_by("pk").values_list("pk", flat=True))
    named = [public_id for section in KINDS for public_id in document[section]]
    packages_named = Package.objects.filter(public_id__in=named)
    list(packages_named.select_for_update().order_by("pk").values_list("pk", flat=True))
