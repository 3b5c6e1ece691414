"""Forms that grant, subtract, edit and revoke; the verbs have the last word."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.db.models import Q
from django.utils import timezone

from catalog.admin.fields import AmountInput, Line, Paragraph
from catalog.models import CreditType, Feature
from credits.book import EntryType, GrantType
from credits.grants import HIGHEST_PRIORITY, LONGEST_COMMENT, Edit, Gift
from credits.models import Grant, GrantStatus
from credits.statements import LABELS, ORIGINS, Filter, Origin
from subscriptions.models import Customer, Resource
from workspace.admin.base import DialogForm
from workspace.errors import DomainError

GRANT, SUBTRACT = "GRANT", "SUBTRACT"
NOW, LATER = "NOW", "LATER"
PAID, PENDING = "PAID", "PENDING"
A_DAY, A_MONTH = timedelta(days=1), timedelta(days=29)
LONGEST_CHART = timedelta(days=50 * 366)

FIELDS = {
    "displayName": "name",
    "comment": "reason",
    "expireAt": "expires_at",
    "cost": "unit_cost",
    "grantType": "method",
}
"""Which input of ours is meant by a field as the verbs call it."""


@contextmanager
def fields_named_as_here(**others: str) -> Iterator[None]:
    """Let a refusal name the input of the form instead of the field of the API."""
    try:
        yield
    except DomainError as refusal:
        names = FIELDS | others
        refusal.field = names.get(refusal.field or "", refusal.field)
        raise


def kept(before: datetime | None, entered: datetime | None) -> datetime | None:
    """What was entered, or the exact instant before if it was left as it was shown.

    Inputs show minutes only; leaving one alone must not move an instant by seconds.
    """
    if before is not None and entered == before.replace(second=0, microsecond=0):
        return before
    return entered


def a_priority() -> forms.IntegerField:
    """The priority of a grant (R35)."""
    return forms.IntegerField(
        min_value=0,
        max_value=HIGHEST_PRIORITY,
        initial=10,
        help_text="Lower numbers are used first; plans and add-ons give with 10.",
    )


def a_reason() -> Paragraph:
    """Why a person changes somebody's credits."""
    return Paragraph(
        max_length=LONGEST_COMMENT,
        help_text="Kept in the ledger and in the activity.",
    )


class AdjustForm(DialogForm):
    """Grant credits to a customer, or take some away (R46, R50)."""

    adjustment = forms.ChoiceField(
        choices=[(GRANT, "Grant credits"), (SUBTRACT, "Subtract credits")],
        initial=GRANT,
        widget=forms.RadioSelect,
    )
    credit_type = forms.ModelChoiceField(
        CreditType.objects.none(), to_field_name="public_id", empty_label=None
    )
    resource = forms.ModelChoiceField(
        Resource.objects.none(),
        to_field_name="public_id",
        required=False,
        empty_label="None: for the whole customer",
        help_text="Credits of a resource can be used by it alone.",
    )
    amount = AmountInput(
        widget=forms.TextInput(attrs={"inputmode": "decimal", "placeholder": "1,000"})
    )
    name = Line(
        max_length=255,
        required=False,
        initial="Manual top-up",
        help_text="Shown wherever the grant is listed.",
    )
    method = forms.ChoiceField(
        choices=[(GrantType.PAID.value, "Purchase"), (GrantType.PROMOTIONAL.value, "Promotional")],
        initial=GrantType.PAID.value,
        widget=forms.RadioSelect,
        required=False,
    )
    unit_cost = AmountInput(
        label="Cost per credit",
        is_price=True,
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "placeholder": "0.02"}),
    )
    currency = forms.CharField(
        max_length=3,
        initial="USD",
        required=False,
        validators=[RegexValidator(r"^[A-Z]{3}$", "Enter three letters, such as USD.")],
    )
    payment = forms.ChoiceField(
        choices=[
            (PAID, "Paid: given at once"),
            (PENDING, "Pending: given when the payment is confirmed"),
        ],
        initial=PAID,
        widget=forms.RadioSelect,
        required=False,
    )
    schedule = forms.ChoiceField(
        choices=[(NOW, "Now"), (LATER, "Later")],
        initial=NOW,
        label="Takes effect",
        widget=forms.RadioSelect,
        required=False,
    )
    effective_at = forms.DateTimeField(label="Effective from (UTC)", required=False)
    expires_at = forms.DateTimeField(
        label="Expires (UTC)", required=False, help_text="Empty: the credits never expire."
    )
    priority = a_priority()
    reason = a_reason()

    subject: Customer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["priority"].required = False
        held = Q(archived_at=None) | Q(pools__customer=self.subject)
        self._choose("credit_type", CreditType.objects.filter(held).distinct().order_by("name"))
        resources = self.subject.resources.order_by("public_id")
        if resources.exists():
            self._choose("resource", resources)
        else:
            del self.fields["resource"]

    def _choose(self, name: str, rows: Any) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = rows

    @property
    def is_grant(self) -> bool:
        """Whether credits are to be given rather than taken."""
        return bool(self.cleaned_data["adjustment"] == GRANT)

    def clean_currency(self) -> str:
        """Dollars where nothing is said."""
        return str(self.cleaned_data["currency"] or "USD")

    def clean(self) -> dict[str, Any]:
        """What a grant needs beside what a subtraction needs."""
        given = super().clean() or {}
        if given.get("adjustment") != GRANT:
            return given
        if not given.get("name") and "name" not in self.errors:
            self.add_error("name", _missing("Enter a name."))
        if given.get("schedule") == LATER and not given.get("effective_at"):
            self.add_error("effective_at", _missing("Say when the credits take effect."))
        credit_type = given.get("credit_type")
        if credit_type is not None and credit_type.archived_at is not None:
            self.add_error(
                "credit_type",
                f"{credit_type.name} is archived: credits can be used, but no more are granted.",
            )
        return given

    def gift(self) -> Gift:
        """What is to be granted; only of a valid form."""
        given = self.cleaned_data
        is_paid = given["method"] != GrantType.PROMOTIONAL.value
        priority = given["priority"]
        return Gift(
            type=GrantType.PAID if is_paid else GrantType.PROMOTIONAL,
            amount=given["amount"],
            name=given["name"],
            comment=given.get("reason", ""),
            priority=10 if priority is None else priority,
            effective_at=given["effective_at"] if given["schedule"] == LATER else None,
            expires_at=given["expires_at"],
            unit_cost=(given["unit_cost"] or Decimal(0)) if is_paid else Decimal(0),
            currency=given["currency"],
            payment_pending=is_paid and given["payment"] == PENDING,
        )


def _missing(sentence: str) -> forms.ValidationError:
    return forms.ValidationError(sentence, code="required")


class EditGrantForm(DialogForm):
    """What people may change about a grant (R49)."""

    name = Line(max_length=255)
    reason = Paragraph(label="Comment", max_length=LONGEST_COMMENT, required=False)
    priority = a_priority()
    effective_at = forms.DateTimeField(label="Effective from (UTC)")
    expires_at = forms.DateTimeField(
        label="Expires (UTC)", required=False, help_text="Empty: the credits never expire."
    )
    metadata = Paragraph(
        required=False, help_text="One “key: value” per line, for your own applications."
    )

    subject: Grant

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        waiting = (GrantStatus.SCHEDULED, GrantStatus.PAYMENT_PENDING)
        if self.subject.status_at(timezone.now()) not in waiting:
            del self.fields["effective_at"]

    def clean_metadata(self) -> dict[str, str]:
        """Lines into pairs."""
        pairs: dict[str, str] = {}
        for line in self.cleaned_data["metadata"].splitlines():
            key, colon, value = (part.strip() for part in line.partition(":"))
            if not line.strip():
                continue
            if not colon or not key:
                raise forms.ValidationError(f"Write “key: value” instead of “{line.strip()}”.")
            if key in pairs:
                raise forms.ValidationError(f"“{key}” stands there twice.")
            pairs[key] = value
        return pairs

    def edit(self) -> Edit:
        """All fields as they shall be; only of a valid form."""
        given, grant = self.cleaned_data, self.subject
        effective_at = kept(grant.effective_at, given.get("effective_at"))
        return Edit(
            name=given["name"],
            comment=given["reason"],
            priority=given["priority"],
            effective_at=effective_at or grant.effective_at,
            expires_at=kept(grant.expires_at, given["expires_at"]),
            metadata=given["metadata"],
        )


def edited(grant: Grant) -> dict[str, Any]:
    """What the form for `grant` begins with."""
    return {
        "name": grant.name,
        "reason": grant.comment,
        "priority": grant.priority,
        "effective_at": grant.effective_at,
        "expires_at": grant.expires_at,
        "metadata": "\n".join(f"{key}: {value}" for key, value in grant.metadata.items()),
    }


class RevokeForm(DialogForm):
    """Why the rest of a grant is taken back (R48)."""

    reason = a_reason()


class LedgerFilter(DialogForm):
    """Which entries of the ledger to show; both days are included.

    `features` are those whose use may be asked for.
    """

    type = forms.ChoiceField(
        choices=[("", "All types"), *((kind.value, label) for kind, label in LABELS.items())],
        required=False,
    )
    source = forms.ChoiceField(required=False)
    since = forms.DateField(label="From", required=False)
    until = forms.DateField(label="To", required=False)

    def __init__(self, *args: Any, features: Sequence[Feature] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        source = self.fields["source"]
        assert isinstance(source, forms.ChoiceField)
        self.features = {f"feature:{feature.public_id}": feature for feature in features}
        source.choices = [
            ("", "All sources"),
            *((origin.value, label) for origin, label in ORIGINS.items()),
            *((key, f"Use of {feature.name}") for key, feature in self.features.items()),
        ]

    def filter(self) -> Filter:
        """What was asked for; what is no answer asks for nothing."""
        self.full_clean()
        given = self.cleaned_data
        until, source = given.get("until"), given.get("source")
        feature = self.features.get(source or "")
        return Filter(
            type=EntryType(given["type"]) if given.get("type") else None,
            origin=Origin(source) if source and feature is None else None,
            feature_id=feature.pk if feature else None,
            since=_midnight(given.get("since")),
            until=_midnight(until + A_DAY) if until and until < date.max else None,
        )


class ChartForm(DialogForm):
    """What a chart of use is stacked by, and between which days, both included."""

    by = forms.ChoiceField(label="Stacked by", required=False)
    chart_since = forms.DateField(label="From", required=False)
    chart_until = forms.DateField(label="To", required=False)

    def __init__(self, *args: Any, dimensions: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        by = self.fields["by"]
        assert isinstance(by, forms.ChoiceField)
        by.choices = [("", "Feature"), *((name, name) for name in dimensions)]

    def clean(self) -> dict[str, Any]:
        """Days in their order, and not more than anybody could look at."""
        given = super().clean() or {}
        since, until = given.get("chart_since"), given.get("chart_until")
        if since and until and until < since:
            self.add_error("chart_until", "This day is before the first.")
        elif since and since < (until or timezone.now().date()) - LONGEST_CHART:
            self.add_error("chart_since", "Choose at most 50 years.")
        return given

    @property
    def dimension(self) -> str:
        """What to stack by other than features; of a cleaned form."""
        return str(self.cleaned_data.get("by") or "")

    def span(self, now: datetime) -> tuple[datetime, datetime] | None:
        """The days asked for as instants; None if there are none, or they make no sense."""
        if not self.is_valid():
            return None
        since, until = self.cleaned_data["chart_since"], self.cleaned_data["chart_until"]
        if since is None and until is None:
            return None
        until = min(until or max(since, now.date()), date.max - A_DAY)
        since = min(since or max(until, date.min + A_MONTH) - A_MONTH, until)
        start, end = _midnight(since), _midnight(until + A_DAY)
        assert start is not None
        assert end is not None
        return start, end


def _midnight(day: date | None) -> datetime | None:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None
