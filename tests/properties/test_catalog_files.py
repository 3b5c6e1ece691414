"""A catalog file says all of a catalog, whatever that is."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction
from hypothesis import assume, given, settings

from catalog.publishing import Audience
from catalog.transfer import exporting, importing, reading, shapes
from catalog.transfer.difference import differences
from catalog.transfer.reading import FileRefused
from catalog.transfer.shapes import Document
from catalog.transfer.writing import DISCOUNT
from tests.builders import NOW
from tests.properties.catalogs import catalogs
from workspace.actors import SYSTEM


class TestText:
    @given(catalogs())
    @settings(max_examples=30)
    def test_is_read_as_what_was_written(self, catalog: Document):
        text = shapes.text_of(catalog)

        assert shapes.document_of(reading.read(text)) == catalog
        assert shapes.text_of(shapes.document_of(reading.read(text))) == text


@contextmanager
def an_empty_workspace() -> Iterator[None]:
    """Whatever is written inside is taken back."""
    block: Any = transaction.atomic()
    block._from_testcase = True  # lets acts begin inside
    with block:
        yield
        transaction.set_rollback(True)


def take(catalog: Document, audience: Audience = Audience.NEW_CUSTOMERS) -> None:
    content = shapes.text_of(catalog).encode()
    importing.take(content, audience=audience, actor=SYSTEM, now=NOW)


def keep_discounts(before: Document, after: Document) -> None:
    """Let `after` promise what `before` did, as coupons do for good."""
    for public_id in before["coupons"].keys() & after["coupons"].keys():
        promised = before["coupons"][public_id]
        after["coupons"][public_id].update({name: promised[name] for name in DISCOUNT})


def stands_in_its_own_way(refusal: FileRefused) -> bool:
    """Whether what stays of one catalog forbids the other, which names it the other way round."""
    return any(
        reason in refusal.message for reason in ("inherits from this plan", "depend on itself")
    )


@pytest.mark.django_db
class TestCatalog:
    @given(catalogs())
    @settings(max_examples=8)
    def test_is_the_same_after_a_way_through_a_file_into_an_empty_workspace(
        self, catalog: Document
    ):
        with an_empty_workspace():
            take(catalog)

            assert exporting.document(with_drafts=False) == catalog
            assert exporting.export() == shapes.text_of(catalog)
            content = exporting.export().encode()
            again = importing.review(content, actor=SYSTEM, now=NOW)
            assert (again.changes, again.does_something) == ([], False)

    @given(catalogs(), catalogs())
    @settings(max_examples=8)
    def test_becomes_another_one_as_far_as_the_file_names_it(
        self, before: Document, after: Document
    ):
        keep_discounts(before, after)
        with an_empty_workspace():
            take(before)
            try:
                take(after, Audience.ALL_CUSTOMERS)
            except FileRefused as refusal:
                assume(not stands_in_its_own_way(refusal))
                raise

            assert differences(exporting.document(with_drafts=False), after) == []
