"""After every storm the books are proven."""

from tests.credits.conftest import prove_the_books

__all__ = ["prove_the_books"]
