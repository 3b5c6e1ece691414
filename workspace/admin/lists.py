"""Lists of a million rows cost what lists of a hundred do."""

from django.core.paginator import Paginator
from django.utils.functional import cached_property

FARTHEST = 10_000


class BoundedPaginator(Paginator):
    """Pages through the first 10,000 rows, and counts no further.

    Whoever has more searches or filters; nobody turns a hundred pages, and counting to a
    million takes longer than anything else on the page.
    """

    # Not among those of an app: Django would take a "pagination.html" there for other lists, too.
    template_name = "components/list_pages.html"

    @cached_property
    def count(self) -> int:
        """How many rows can be reached by pages."""
        return min(self._counted, FARTHEST)

    @property
    def has_more(self) -> bool:
        """Whether there are rows that only a search or a filter leads to."""
        return self._counted > FARTHEST

    @cached_property
    def _counted(self) -> int:
        counted: int = self.object_list.order_by()[: FARTHEST + 1].count()  # type: ignore[attr-defined]
        return counted
