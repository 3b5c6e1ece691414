"""Customers are found by the beginnings of words: of their name, their ID and their email.

Every customer has a row for each word, which holds it and what follows it in its text, in
plain letters: "Acme Café" has "acme cafe" and "cafe". So an index finds whoever has a word
that begins like the one that was typed, and "smith-jones" finds Smith Jones.
"""

import re
import unicodedata
from collections.abc import Container, Sequence

from django.db.models import OuterRef, Subquery

from subscriptions.models import Customer, CustomerWord
from subscriptions.models.customers import LONGEST_WORD, CustomerWordQuerySet

SEARCHED = ("name", "public_id", "email")
MOST_WORDS = 8
"""Words of a search that count; nobody narrows further, and each costs a look."""
MOST_CUSTOMERS = 500
"""Who are found at most; whoever means others types more."""
COUNTED = (1000, 30_000)
"""How far rows are counted to find the rarest word: nearly always, the first is enough.

Where all words are more frequent, any of them leads to enough customers soon.
"""

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


def find(text: str, *, at_most: int = MOST_CUSTOMERS) -> list[int]:
    """Primary keys of customers who have, for every word of `text`, one that begins with it.

    Whose word is exactly that, or nearly, stand first. Words are parted by blanks; signs
    inside one are as good as a blank between two that follow each other. Where there is no
    letter and no digit, nobody is found. Looks no further than `at_most` rows lead.
    """
    return list(dict.fromkeys(_keys(text, at_most)))


def finds_all(text: str) -> bool:
    """Whether `find` finds everybody who has these words, and not only the nearest."""
    return len(_keys(text, MOST_CUSTOMERS + 1)) <= MOST_CUSTOMERS


def _keys(text: str, at_most: int) -> list[int]:
    """Keys of customers, the same once for each word that was looked for."""
    beginnings = [beginning for typed in text.split() if (beginning := plain(typed))]
    wanted = [
        CustomerWord.objects.beginning_with(beginning[:LONGEST_WORD])
        for beginning in dict.fromkeys(beginnings[:MOST_WORDS])
    ]
    if not wanted:
        return []
    rarest, *others = _rarest_first(wanted)
    for other in others:
        # With a limit inside, the database looks for each customer, and stops when it has enough.
        of_same = other.filter(customer=OuterRef("customer")).values("customer")[:1]
        rarest = rarest.alias(same=Subquery(of_same)).exclude(same=None)
    found = rarest.order_by("word", "customer").values_list("customer", flat=True)
    return list(found[:at_most])


def _rarest_first(wanted: list[CustomerWordQuerySet]) -> list[CustomerWordQuerySet]:
    """In order of how many rows there are, counted no further than tells the rarest."""
    if len(wanted) == 1:
        return wanted
    for bound in COUNTED:
        counts = [words.order_by()[:bound].count() for words in wanted]
        if min(counts) < bound:
            break
    places = sorted(range(len(wanted)), key=counts.__getitem__)
    return [wanted[place] for place in places]
