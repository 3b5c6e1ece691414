"""What an operation takes and what it answers: said once, obeyed at run time, and published.

A view says it of each method:

    @speaks(body=NewCoupon, answer=CouponAnswer, status=201)
    def post(self, request: Request) -> Response:

`read_body` and `read_query` read with what is said here and `answer` takes its status from
here, so a method cannot do one thing and say another. What answers look like is described by
types, which cost nothing when a request is answered; tests hold every answer against them.
"""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import FunctionType
from typing import Annotated, Any, TypeVar, get_type_hints

from rest_framework.serializers import BaseSerializer, Serializer

F = TypeVar("F", bound=Callable[..., Any])
Reader = type[Serializer[Any]]
ForView = Callable[[Any], Reader]


class Said:
    """What an annotation of an answer publishes beside a type: `Annotated[str, Said(…)]`."""

    def __init__(self, **keywords: Any) -> None:
        self.keywords = keywords


def one_of(values: Iterable[str]) -> Said:
    """One of these words."""
    return Said(enum=[*values])


Instant = Annotated[str, Said(format="date-time")]
"""An instant in an answer."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What one method of one view takes and answers.

    `body` and `query` are the serializers that read them. `answer` is what stands in `data`:
    a type, such as a `TypedDict` or a list of it, or the serializer that makes it; `page` is
    the same of one row of a list, and `whole` of an answer without that envelope. Where one
    method serves several views, a function says for a view which it is.
    """

    body: Reader | ForView | None = None
    query: Reader | ForView | None = None
    answer: Any = None
    page: Any = None
    whole: Any = None
    status: int = 200


NOTHING = Terms()


def speaks(
    *,
    body: Reader | ForView | None = None,
    query: Reader | ForView | None = None,
    answer: Any = None,
    page: Any = None,
    whole: Any = None,
    status: int = 200,
) -> Callable[[F], F]:
    """Say of a method of an `ApiView` what it takes and answers; see `Terms`."""

    def note(method: F) -> F:
        method.terms = Terms(body, query, answer, page, whole, status)  # type: ignore[attr-defined]
        return method

    return note


def chosen(said: Any, view: object) -> Any:
    """What is said, for this view."""
    return said(view) if isinstance(said, FunctionType) else said


def shape_of(answer: Any) -> Any:
    """The type of an answer, also where the serializer that makes it is named."""
    if inspect.isclass(answer) and issubclass(answer, BaseSerializer):
        return get_type_hints(answer.to_representation, include_extras=True)["return"]
    return answer
