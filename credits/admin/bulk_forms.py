"""What is asked before a bulk change begins: what is done, to whom, and why."""

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.validators import RegexValidator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, QueryDict

from catalog.admin.fields import AmountInput, Line, as_choices, only_when
from catalog.models import Addon, CreditType, Plan
from credits import bulk_lists
from credits.admin.forms import a_priority
from credits.admin.grants import MOST_FOUND
from credits.admin.words import counted
from credits.book import GrantType
from credits.bulk import LONGEST_REASON, MOST_ROWS, Aim
from credits.bulk_deeds import Deed
from credits.bulk_grants import Extending, Granting, Revoking
from credits.bulk_subscriptions import AddonMode, ChangingAddon, Migrating
from credits.models import BulkKind, Grant
from subscriptions import searching
from subscriptions.models import Customer, Subscription
from workspace.admin.base import DialogForm
from workspace.errors import BadInput, DomainError
from workspace.models import User

PERMISSIONS: Mapping[str, str] = {
    BulkKind.GRANT: "credits.grant_credits",
    BulkKind.VOID: "credits.void_grant",
    BulkKind.EXTEND: "credits.change_grant",
    BulkKind.ADDON: "subscriptions.change_subscription",
    BulkKind.MIGRATE: "subscriptions.change_subscription",
}
"""Whoever may do it to one customer may do it to many."""
OF_GRANTS = (BulkKind.VOID, BulkKind.EXTEND)
OF_SUBSCRIPTIONS = (BulkKind.ADDON, BulkKind.MIGRATE)
LONGEST_TEXT = 500_000
LONGEST_EXTENSION = 3660  # days


class InvalidSelection(BadInput):
    """The address names no rows of a list."""


def allowed_kinds(user: User) -> list[BulkKind]:
    """What a person may do to many."""
    return [kind for kind in BulkKind if user.has_perm(PERMISSIONS[kind])]


@dataclass(frozen=True, slots=True)
class Listed:
    """A list from which rows are chosen, and what can be done to them."""

    model: type[Model]
    kinds: tuple[BulkKind, ...]
    keys: tuple[str, str, str]  # of an aim: customer, subscription, grant
    noun: str

    def aims(self, rows: QuerySet[Any]) -> Iterable[Aim]:
        """The rows as aims, a chunk at a time."""
        wanted = [key for key in self.keys if key]
        for values in rows.order_by("pk").values_list(*wanted).iterator(chunk_size=1000):
            found = dict(zip(wanted, values, strict=True))
            yield Aim(*(found.get(key) for key in self.keys))  # type: ignore[arg-type]


LISTS: Mapping[str, Listed] = {
    "customers": Listed(Customer, tuple(BulkKind), ("pk", "", ""), "customer"),
    "subscriptions": Listed(
        Subscription, OF_SUBSCRIPTIONS, ("customer_id", "pk", ""), "subscription"
    ),
    "grants": Listed(Grant, OF_GRANTS, ("pool__customer_id", "", "pk"), "grant"),
}


class Selection:
    """The rows that an address names: ticked ones of a list, or all that its filter leaves.

    Without a list it is empty, and customers are named by their IDs.
    """

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.listed = LISTS.get(request.GET.get("of", ""))
        self.ticked = request.GET.getlist("id")

    @property
    def kinds(self) -> tuple[BulkKind, ...]:
        """What can be done to what was chosen."""
        return self.listed.kinds if self.listed else tuple(BulkKind)

    def rows(self) -> QuerySet[Any]:
        """What is chosen, as the list itself finds it.

        Raises:
            InvalidSelection: the list does not understand the address.
        """
        assert self.listed is not None, "there is a list"
        model_admin = admin.site.get_model_admin(self.listed.model)
        if self.ticked:
            if not all(key.isascii() and key.isdigit() and len(key) < 19 for key in self.ticked):
                raise InvalidSelection("These rows are not there. Choose them again.")
            found: QuerySet[Any] = model_admin.get_queryset(self.request)
            return found.filter(pk__in=self.ticked)
        search = self.filters().get("q", "")
        if search and not searching.finds_all(search):
            raise InvalidSelection(
                f"Too many are found by “{search[:64]}” to be sure of all. Type more of a word, or "
                "use the filters of the list."
            )
        asked = copy(self.request)
        asked.GET = self.filters()  # type: ignore[assignment]
        try:
            changes = model_admin.get_changelist_instance(asked)
            found = changes.get_queryset(asked)
        except IncorrectLookupParameters as error:
            raise InvalidSelection("The list does not know this filter.") from error
        if search and self.listed.model is Grant and found.count() >= MOST_FOUND:
            raise InvalidSelection(
                f"More grants are found by “{search[:64]}” than the list looks through. Choose "
                "their customers instead, and name the grants."
            )
        return found

    def filters(self) -> QueryDict:
        """The address without what is ours."""
        given = self.request.GET.copy()
        for name in ("of", "id", "p", "all", "do"):
            given.pop(name, None)
        return given

    def words(self, number: int) -> str:
        """Such as "312 customers matching “acme”, plan pro"."""
        assert self.listed is not None, "there is a list"
        filters = self.filters()
        search = filters.pop("q", [""])[-1]
        parts = [f"matching “{search[:64]}”"] if search else []
        parts += [f"{name.split('__')[0]} {value[:64]}" for name, value in filters.items()]
        those = counted(number, self.listed.noun)
        if self.ticked:
            return f"{those}, ticked one by one"
        return f"{those} {', '.join(parts)}".strip()

    def count(self) -> int:
        """How many there are, counted no further than can be chosen."""
        return int(self.rows().order_by()[: MOST_ROWS + 1].count())


class BulkForm(DialogForm):
    """A bulk change: what, to whom, why."""

    file = forms.FileField(
        label="List of customers",
        required=False,
        help_text="A CSV with a customer ID per line and, where credits are granted, an amount "
        "of their own and the ID of the resource they are for. Up to "
        f"{MOST_ROWS:,} customers.",
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.txt,text/csv"}),
    )
    pasted = forms.CharField(
        label="Or paste it here",
        required=False,
        max_length=LONGEST_TEXT,
        strip=False,
        widget=forms.Textarea(attrs={"placeholder": "acme\nglobex, 500\nglobex, 200, north"}),
    )
    kind = forms.ChoiceField(label="What to do", widget=forms.RadioSelect)
    credit_type = forms.ChoiceField(required=False)
    amount = AmountInput(
        required=False,
        help_text="For everybody whose line of the list has no amount.",
        widget=forms.TextInput(attrs={"inputmode": "decimal", "placeholder": "1,000"}),
    )
    name = Line(max_length=255, required=False, help_text="Shown wherever the grant is listed.")
    method = forms.ChoiceField(
        choices=[(GrantType.PROMOTIONAL.value, "Promotional"), (GrantType.PAID.value, "Purchase")],
        initial=GrantType.PROMOTIONAL.value,
        widget=forms.RadioSelect,
        required=False,
    )
    unit_cost = AmountInput(label="Cost per credit", is_price=True, required=False)
    currency = forms.CharField(
        max_length=3,
        initial="USD",
        required=False,
        validators=[RegexValidator(r"^[A-Z]{3}$", "Enter three letters, such as USD.")],
    )
    effective_at = forms.DateTimeField(
        label="Starts (UTC)", required=False, help_text="Empty: at once, when it is carried out."
    )
    expires_at = forms.DateTimeField(
        label="Expires (UTC)", required=False, help_text="Empty: the credits never expire."
    )
    priority = a_priority()
    of_credit_type = forms.ChoiceField(label="Grants of", required=False)
    of_type = forms.ChoiceField(
        label="That were",
        choices=[
            ("", "Given or bought"),
            (GrantType.PROMOTIONAL.value, "Given: promotional"),
            (GrantType.PAID.value, "Bought: paid"),
        ],
        required=False,
    )
    of_name = Line(
        label="With the name",
        max_length=255,
        required=False,
        help_text="To the letter. Empty: whatever their name.",
    )
    until = forms.DateTimeField(label="New expiry (UTC)", required=False)
    days = forms.IntegerField(
        label="Or later by days",
        required=False,
        min_value=1,
        max_value=LONGEST_EXTENSION,
        help_text="Than each of them expires now.",
    )
    addon = forms.ChoiceField(label="Add-on", required=False)
    mode = forms.ChoiceField(
        label="Change",
        choices=[
            (AddonMode.ADD, "Add it to those who have none"),
            (AddonMode.SET, "Change the quantity of those who have it"),
            (AddonMode.REMOVE, "Remove it"),
        ],
        initial=AddonMode.ADD,
        required=False,
        widget=forms.RadioSelect,
    )
    quantity = forms.IntegerField(required=False, min_value=1, initial=1, max_value=1_000_000)
    plan = forms.ChoiceField(label="Only subscriptions to", required=False)
    when = forms.ChoiceField(
        choices=[("now", "Now"), ("period_end", "At the end of each billing period")],
        initial="now",
        required=False,
        widget=forms.RadioSelect,
    )
    reason = Line(
        max_length=LONGEST_REASON,
        help_text="Kept with every change, in the ledger and in the activity.",
    )
    field_order = ["file", "pasted", "kind"]

    def __init__(
        self, *args: Any, selection: Selection, kinds: Iterable[BulkKind], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.selection = selection
        offered = [kind for kind in kinds if kind in selection.kinds]
        self._offer("kind", [(kind.value, kind.label) for kind in offered])
        if offered:
            asked = selection.request.GET.get("do")
            first = [kind for kind in offered if kind == asked] or offered
            self.fields["kind"].initial = first[0].value
        types = CreditType.objects.active().order_by("name").values_list("public_id", "name")
        self._offer("credit_type", list(types))
        self._offer("of_credit_type", as_choices(list(types), empty="Any credits"))
        addons = Addon.objects.on_sale().select_related("live")
        self.addons = {addon.public_id: addon.name for addon in addons}
        self._offer("addon", sorted(self.addons.items(), key=lambda pair: pair[1]))
        plans = Plan.objects.exclude(live=None).filter(archived_at=None).select_related("live")
        named = sorted(((plan.public_id, plan.name) for plan in plans), key=lambda pair: pair[1])
        self._offer("plan", as_choices(named, empty="Any plan"))
        self.fields["priority"].required = False
        if selection.listed is not None:
            del self.fields["file"], self.fields["pasted"]
            self.fields["amount"].help_text = ""
        for names, kinds_shown in SHOWN_FOR.items():
            for name in names:
                only_when(self.fields[name], "kind", *(kind.value for kind in kinds_shown))
        only_when(self.fields["unit_cost"], "method", GrantType.PAID.value)
        only_when(self.fields["currency"], "method", GrantType.PAID.value)
        only_when(self.fields["quantity"], "mode", AddonMode.ADD, AddonMode.SET)
        self._drop_what_is_aimed_at()

    def _drop_what_is_aimed_at(self) -> None:
        """What was ticked in a list of grants or subscriptions needs no description."""
        listed = self.selection.listed
        if listed is not None and listed.model is Grant:
            del self.fields["of_credit_type"], self.fields["of_type"], self.fields["of_name"]
        if listed is not None and listed.model is Subscription:
            del self.fields["plan"]

    def _offer(self, name: str, choices: list[tuple[Any, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    def clean(self) -> dict[str, Any]:
        """What each kind needs, and who is meant."""
        given = super().clean() or {}
        for name, sentence in self._missing(given):
            if name not in self.errors:
                self.add_error(name, sentence)
        if self.selection.listed is None and not self.errors:
            self._read_list(given)
        return given

    def _missing(self, given: dict[str, Any]) -> Iterable[tuple[str, str]]:
        has_list = bool(given.get("file") or given.get("pasted"))
        if self.selection.listed is None and not has_list:
            yield "file", "Choose a file, or paste a list."
        match given.get("kind"):
            case BulkKind.GRANT:
                if not given.get("credit_type"):
                    yield "credit_type", "Choose what to grant."
                if not given.get("name"):
                    yield "name", "Enter a name."
                if given.get("amount") is None and self.selection.listed is not None:
                    yield "amount", "Enter how much everybody gets."
            case BulkKind.EXTEND:
                if bool(given.get("until")) == bool(given.get("days")):
                    yield "until", "Enter a date, or by how many days."
            case BulkKind.ADDON:
                if not given.get("addon"):
                    yield "addon", "Choose an add-on."
                if given.get("mode") != AddonMode.REMOVE and not given.get("quantity"):
                    yield "quantity", "Enter how many."

    def _read_list(self, given: dict[str, Any]) -> None:
        file = given.get("file")
        content = file.read(bulk_lists.LARGEST + 1) if file else given["pasted"].encode()
        where = "file" if file else "pasted"
        try:
            self.listed = bulk_lists.aims_of(content, with_amounts=given["kind"] == BulkKind.GRANT)
        except DomainError as refusal:
            self.add_error(where, refusal.message)
            for row, message in refusal.rows.items():
                self.add_error(where, f"Line {row + 1}: {message}")
            return
        if not self.listed:
            self.add_error(where, "Nobody stands in this list.")
        elif given["kind"] == BulkKind.GRANT and given.get("amount") is None:
            bare = [aim.line for aim in self.listed if aim.amount is None]
            if bare:
                self.add_error("amount", f"Line {bare[0]} of the list has no amount: enter one.")

    def choice(self) -> tuple[str, Callable[[], Iterable[Aim]]]:
        """Who is meant, in words and as the verb takes them; only of a valid form."""
        listed = self.selection.listed
        if listed is None:
            number = len(self.listed)
            return f"{counted(number, 'customer')} of a list", lambda: self.listed
        rows = self.selection.rows()
        return self.selection.words(self.selection.count()), lambda: listed.aims(rows)

    def deed(self) -> Deed:
        """What is done to each; only of a valid form."""
        given = self.cleaned_data
        meant = {
            "credit_type_id": given.get("of_credit_type", ""),
            "type": given.get("of_type", ""),
            "name": given.get("of_name", ""),
        }
        match BulkKind(given["kind"]):
            case BulkKind.GRANT:
                return self._granting(given)
            case BulkKind.VOID:
                return Revoking(**meant)
            case BulkKind.EXTEND:
                return Extending(until=given["until"], days=given["days"] or 0, **meant)
            case BulkKind.ADDON:
                return ChangingAddon(
                    addon_id=given["addon"],
                    addon_name=self.addons[given["addon"]],
                    mode=given["mode"] or AddonMode.ADD,
                    quantity=given["quantity"] or 0,
                    plan_id=given.get("plan", ""),
                )
        return Migrating(plan_id=given.get("plan", ""), at_period_end=given["when"] == "period_end")

    def _granting(self, given: dict[str, Any]) -> Granting:
        is_paid = given["method"] == GrantType.PAID.value
        priority = given["priority"]
        return Granting(
            credit_type_id=given["credit_type"],
            amount=given["amount"],
            name=given["name"],
            type=(GrantType.PAID if is_paid else GrantType.PROMOTIONAL).value,
            priority=10 if priority is None else priority,
            effective_at=given["effective_at"],
            expires_at=given["expires_at"],
            unit_cost=(given["unit_cost"] or Decimal(0)) if is_paid else Decimal(0),
            currency=given["currency"] or "USD",
        )


SHOWN_FOR: Mapping[tuple[str, ...], tuple[BulkKind, ...]] = {
    (
        "credit_type",
        "amount",
        "name",
        "method",
        "effective_at",
        "expires_at",
        "priority",
    ): (BulkKind.GRANT,),
    ("of_credit_type", "of_type", "of_name"): OF_GRANTS,
    ("until", "days"): (BulkKind.EXTEND,),
    ("addon", "mode"): (BulkKind.ADDON,),
    ("plan",): OF_SUBSCRIPTIONS,
    ("when",): (BulkKind.MIGRATE,),
}
"""Which inputs mean something for which kinds."""
