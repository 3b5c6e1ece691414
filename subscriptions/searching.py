"""Customers are found by the beginnings of words: of their name, their ID and their email.

Every customer has a row for each word, which holds it and what follows it in its text, in
plain letters: "Acme Café" has "acme cafe" and "cafe". So an index finds whoever has a word
that begins like the one that was typed, and "smith-jones" finds Smith Jones.
"""

import re
import unicodedata
from collections.abc import Container, Sequence
from typing import Any

from django.db.models import QuerySet

from subscriptions.models import Customer, CustomerWord
from subscriptions.models.customers import LONGEST_WORD

SEARCHED = ("name", "public_id", "email")
MOST_WORDS = 8
"""Words of a search that count; nobody narrows further, and each costs a look."""
MOST_CUSTOMERS = 1000
"""Whose subscriptions or grants are looked for; whoever means others types more."""

WORD = re.compile(r"[^\W_]+")
PLAIN = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}
)
"""Letters that do not fall apart into a plain one and its accent."""


def plain(text: str) -> str:
    """Words parted by single spaces, in small letters without accents or punctuation."""
    apart = unicodedata.normalize("NFKD", text).casefold()
    letters = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return " ".join(WORD.findall(letters.translate(PLAIN)))


def words_of(customer: Customer) -> set[str]:
    """Every word of what a customer is found by, each with what follows it."""
    found = set()
    for name in SEARCHED:
        words = plain(getattr(customer, name)).split(" ")
        found |= {" ".join(words[place:])[:LONGEST_WORD] for place in range(len(words))}
    return found - {""}


def add(customers: Sequence[Customer]) -> None:
    """Let new customers be found."""
    CustomerWord.objects.bulk_create(
        CustomerWord(customer=customer, word=word)
        for customer in customers
        for word in sorted(words_of(customer))
    )


def renew_if(changed: Container[str], customer: Customer) -> None:
    """Where a searched field is among those changed, find the customer by what is known now."""
    if any(name in changed for name in SEARCHED):
        CustomerWord.objects.filter(customer=customer).delete()
        add([customer])


def matching(text: str) -> QuerySet[Customer]:
    """Customers who have, for every word of `text`, one that begins with it.

    Words are parted by blanks; signs inside one are as good as a blank between two that
    follow each other. Where there is no letter and no digit, nobody is found.
    """
    beginnings = [beginning for typed in text.split() if (beginning := plain(typed))]
    if not beginnings:
        return Customer.objects.none()
    found: Any = Customer.objects.all()
    for beginning in beginnings[:MOST_WORDS]:
        words = CustomerWord.objects.beginning_with(beginning[:LONGEST_WORD])
        found = found.filter(pk__in=words.values("customer"))
    return found


def first_matching(text: str) -> list[int]:
    """Primary keys of the newest of them, for lists of what customers have."""
    rows = matching(text).order_by("-created_at", "-pk")
    return list(rows.values_list("pk", flat=True)[:MOST_CUSTOMERS])
