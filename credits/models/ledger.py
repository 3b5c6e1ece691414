"""The ledger: every change of every pool, for ever (R52)."""

from django.db import models
from django.db.models import F, Func, Q
from django.db.models.lookups import Exact

from catalog.amounts import ZERO, AmountField
from credits.book import EntryType
from workspace.actors import ActorKind

CHAPTER = 2_000
"""So many consecutive entries of a pool are a chapter; the last of each is found by index."""


class EndsChapter(Func):
    """Whether the entry of that number is the last of its chapter.

    The length stands in the text of the statement, so any plan can use the index.
    """

    template = f"(%(expressions)s %%%% {CHAPTER} = 0)"
    output_field = models.BooleanField()


class IsNoUse(Func):
    """Whether an entry of that type is something else than use: few are, found by index."""

    template = f"(NOT %(expressions)s = '{EntryType.CONSUMED.value}')"
    output_field = models.BooleanField()


NO_USE = IsNoUse("type")


class LedgerEntry(models.Model):
    """One change of a pool: signed amount, balance before and after, and by whom.

    Entries of a pool are numbered without gaps and chained: each begins with the balance
    the one before ended with. `effective_at` is when it changed the pool, `recorded_at`
    when it was written (R38). Never changed or deleted; only `credits.ledger` adds.
    """

    pool = models.ForeignKey("credits.Pool", models.PROTECT, related_name="+", db_index=False)
    number = models.BigIntegerField()
    type = models.CharField(max_length=40, choices=[(kind.value, kind.value) for kind in EntryType])
    amount = AmountField()
    balance_before = AmountField()
    balance_after = AmountField()
    grant = models.ForeignKey("credits.Grant", models.PROTECT, related_name="+", db_index=False)
    consumption = models.ForeignKey(
        "credits.Consumption", models.PROTECT, null=True, related_name="entries", db_index=False
    )
    effective_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    actor_kind = models.CharField(max_length=8, choices=ActorKind)
    actor = models.CharField(max_length=255)
    reason = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["pool_id", "number"]
        verbose_name_plural = "ledger entries"
        indexes = [
            models.Index(
                fields=["pool", "number"],
                condition=Q(Exact(F("number") % CHAPTER, 0)),
                name="ends_of_chapters",
            ),
            models.Index(
                fields=["pool", "number"],
                condition=~Q(type=EntryType.CONSUMED.value),
                name="entries_other_than_use",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["pool", "number"], name="one_entry_per_number"),
            models.CheckConstraint(
                condition=Q(balance_after=F("balance_before") + F("amount")),
                name="an_entry_adds_up",
            ),
            models.CheckConstraint(
                condition=~Q(amount=0) | Q(type=EntryType.UPDATED.value),
                name="only_updates_move_nothing",
            ),
            models.CheckConstraint(condition=Q(number__gte=1), name="entries_count_from_one"),
        ]

    def __str__(self) -> str:
        return f"entry {self.number}"


class ChapterSum(models.Model):
    """What entries of one chapter come to that tell the same; written once, by `chapters`.

    The chapter is that which the entry `ends_with` ends. Only use has a feature, is taken
    `by_people` (R50), or has an hour in which it was used (in UTC). `place` counts the sums of
    a chapter from 0, in an order that its entries give.
    """

    pool = models.ForeignKey("credits.Pool", models.PROTECT, related_name="+", db_index=False)
    ends_with = models.BigIntegerField()
    place = models.PositiveIntegerField()
    type = models.CharField(max_length=40, choices=[(kind.value, kind.value) for kind in EntryType])
    by_people = models.BooleanField()
    feature = models.ForeignKey(
        "catalog.Feature", models.PROTECT, null=True, related_name="+", db_index=False
    )
    used_in = models.DateTimeField(null=True)
    amount = AmountField()
    entries = models.PositiveIntegerField()

    class Meta:
        ordering = ["pool_id", "ends_with", "place"]
        indexes = [models.Index(fields=["pool", "used_in"], name="sums_by_hour_of_use")]
        constraints = [
            models.UniqueConstraint(
                fields=["pool", "ends_with", "place"], name="a_chapter_is_summed_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.entries} entries up to {self.ends_with}"


class DimensionSum(models.Model):
    """What was used in one chapter, in one hour and with one value of a dimension.

    Written once, with the other sums of the chapter, by `chapters` (which see). A dimension has
    all its sums in a chapter or none: where the key `LEFT_OVER` stands, one that has none there
    may have been used.
    """

    LEFT_OVER = ""

    pool = models.ForeignKey("credits.Pool", models.PROTECT, related_name="+", db_index=False)
    ends_with = models.BigIntegerField()
    place = models.PositiveIntegerField()
    key = models.CharField(max_length=255)
    value = models.TextField()
    used_in = models.DateTimeField(null=True)
    amount = AmountField(default=ZERO)

    class Meta:
        ordering = ["pool_id", "ends_with", "place"]
        indexes = [models.Index(fields=["pool", "key", "used_in"], name="sums_by_dimension")]
        constraints = [
            models.UniqueConstraint(
                fields=["pool", "ends_with", "place"], name="a_chapter_is_parted_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.value} up to {self.ends_with}"
