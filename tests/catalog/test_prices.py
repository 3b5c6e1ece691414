from dataclasses import replace
from decimal import Decimal

import pytest

from catalog import prices
from catalog.archiving import archive_credit_type
from catalog.checking import InvalidField
from catalog.drafts import NoDraft
from catalog.formulas import InvalidFormula
from catalog.models import Aggregation, Charge, ConsumptionMapping, Package
from catalog.prices import NewCharge, UnknownMapping, UnknownPrice, base_prices
from tests.builders import (
    NOW,
    a_credit_type,
    a_feature,
    a_metered_feature,
    a_plan,
    a_published_plan,
    a_rate,
)
from workspace import activity
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db


def set_prices(package: Package, monthly: str | None, yearly: str | None, currency="USD"):
    return prices.set_base_prices(
        package_id=package.pk,
        monthly=None if monthly is None else Decimal(monthly),
        yearly=None if yearly is None else Decimal(yearly),
        currency=currency,
        actor=SYSTEM,
        now=NOW,
    )


class TestSetBasePrices:
    def test_replaces_what_was_there(self):
        plan = a_plan(monthly=49)

        draft = set_prices(plan, "59.90", "590")

        found = base_prices(list(draft.charges.all()))
        assert found["MONTHLY"].amount == Decimal("59.90")
        assert found["ANNUALLY"].amount == 590
        assert Charge.objects.count() == 2
        newest = activity.for_subject("plan", plan.public_id)[0]
        assert newest.payload == {
            "monthly": ["49 USD", "59.90 USD"],
            "yearly": [None, "590 USD"],
        }

    def test_takes_a_price_away(self):
        draft = set_prices(a_plan(monthly=49, yearly=490), "49", None)

        assert list(base_prices(list(draft.charges.all()))) == ["MONTHLY"]

    def test_leaves_other_charges_alone(self):
        plan = a_plan(monthly=None)
        prices.add_charge(
            plan.draft,
            NewCharge(billing_model="PER_UNIT", amount=Decimal(5), feature=a_feature()),
            now=NOW,
        )

        set_prices(plan, "49", None)

        assert Charge.objects.count() == 2

    @pytest.mark.parametrize("amount", ["-1", "1e12", "0.0000001", "NaN"])
    def test_refuses_what_is_no_price(self, amount):
        plan = a_plan(monthly=49)

        with pytest.raises(InvalidField):
            set_prices(plan, amount, None)

        assert Charge.objects.get().amount == 49

    def test_needs_a_draft(self):
        """R8."""
        with pytest.raises(NoDraft):
            set_prices(a_published_plan(), "1", None)


class TestPutPrice:
    def put(self, package: Package, wanted: NewCharge, replaces: int | None = None) -> Charge:
        return prices.put_price(
            package_id=package.pk, wanted=wanted, replaces=replaces, actor=SYSTEM, now=NOW
        )

    def test_adds_one_beside_the_others(self):
        plan = a_plan(monthly=49)

        charge = self.put(plan, NewCharge(amount=Decimal(45), currency="EUR"))

        assert [each.currency for each in plan.draft.charges.all()] == ["USD", "EUR"]
        assert base_prices(list(plan.draft.charges.all()))["MONTHLY"].currency == "USD"
        (entry, *_) = activity.for_subject("plan", plan.public_id)
        assert entry.payload == {"Monthly base price": [None, "45 EUR / month"]}
        assert charge.pk is not None

    def test_takes_the_place_of_one(self):
        plan, seats = a_plan(monthly=None), a_feature("Seats")
        wanted = NewCharge(billing_model="PER_UNIT", feature=seats, amount=Decimal(5))
        charge = self.put(plan, wanted)

        self.put(plan, replace(wanted, amount=Decimal(6)), replaces=charge.pk)

        assert [each.amount for each in plan.draft.charges.all()] == [6]
        with pytest.raises(UnknownPrice):
            self.put(plan, wanted, replaces=charge.pk)

    def test_refuses_a_second_one_for_the_same(self):
        plan = a_plan(monthly=49)

        with pytest.raises(InvalidField, match="a price for this already"):
            self.put(plan, NewCharge(amount=Decimal(59)))

        assert plan.draft.charges.get().amount == 49

    def test_keeps_the_first_currency_first(self):
        plan = a_plan(monthly=49)
        self.put(plan, NewCharge(amount=Decimal(45), currency="EUR"))

        set_prices(plan, "59", None)

        assert base_prices(list(plan.draft.charges.all()))["MONTHLY"].amount == 59
        with pytest.raises(InvalidField, match="a price for this already"):
            set_prices(plan, "59", None, "EUR")


class TestRemovePrice:
    def test_takes_it_away_once(self):
        plan = a_plan(monthly=49)
        gone = {"package_id": plan.pk, "charge_id": plan.draft.charges.get().pk}

        prices.remove_price(**gone, actor=SYSTEM, now=NOW)

        assert not plan.draft.charges.exists()
        with pytest.raises(UnknownPrice):
            prices.remove_price(**gone, actor=SYSTEM, now=NOW)


class TestMapConsumption:
    def map(self, package: Package, feature, credit_type, **cost):
        return prices.map_consumption(
            package_id=package.pk,
            feature=feature,
            credit_type=credit_type,
            actor=SYSTEM,
            now=NOW,
            **cost,
        )

    def test_says_what_a_unit_costs(self):
        """R33, R34: 1 image = 10 credits."""
        plan, image, credit_type = a_plan(), a_metered_feature(), a_credit_type()

        self.map(plan, image, credit_type, rate=Decimal(10))

        assert plan.draft.mappings.get().rate == 10

    def test_replaces_the_mapping_of_the_same_pair(self):
        """R33: one mapping per feature and credit type."""
        plan, image, credit_type = a_plan(), a_metered_feature(), a_credit_type()
        self.map(plan, image, credit_type, rate=Decimal(10))

        self.map(plan, image, credit_type, formula="2*size")

        mapping = plan.draft.mappings.get()
        assert (mapping.rate, mapping.formula) == (None, "2*size")
        newest = activity.for_subject("plan", plan.public_id)[0]
        assert newest.payload["cost"] == ["10", "2*size"]

    @pytest.mark.parametrize(
        "aggregation", [Aggregation.MAX, Aggregation.MIN, Aggregation.AVG, Aggregation.UNIQUE]
    )
    def test_refuses_meters_that_are_neither_counted_nor_summed(self, aggregation):
        """R33."""
        feature = a_metered_feature(aggregation=aggregation, aggregation_field="n")

        with pytest.raises(InvalidField) as refusal:
            self.map(a_plan(), feature, a_credit_type(), rate=Decimal(1))

        assert refusal.value.field == "feature"
        assert not ConsumptionMapping.objects.exists()

    def test_refuses_features_that_the_application_reports(self):
        """R33: event-based only."""
        with pytest.raises(InvalidField):
            self.map(
                a_plan(),
                a_feature(meter_type="FLUCTUATING"),
                a_credit_type(),
                rate=Decimal(1),
            )

    def test_refuses_archived_credit_types(self):
        """R3."""
        credit_type = archive_credit_type(credit_type_id=a_credit_type().pk, actor=SYSTEM, now=NOW)

        with pytest.raises(InvalidField, match="archived"):
            self.map(a_plan(), a_metered_feature(), credit_type, rate=Decimal(1))

    def test_wants_a_rate_or_a_formula(self):
        with pytest.raises(InvalidField, match="rate"):
            self.map(a_plan(), a_metered_feature(), a_credit_type())

    def test_refuses_a_formula_that_cannot_be_read(self):
        with pytest.raises(InvalidFormula):
            self.map(a_plan(), a_metered_feature(), a_credit_type(), formula="1 +")

        assert not ConsumptionMapping.objects.exists()


class TestUnmapConsumption:
    def test_lets_use_cost_nothing(self):
        image, credit_type = a_metered_feature(), a_credit_type()
        plan = a_plan(mappings=[a_rate(image, credit_type)])

        prices.unmap_consumption(
            package_id=plan.pk, feature=image, credit_type=credit_type, actor=SYSTEM, now=NOW
        )

        assert not ConsumptionMapping.objects.exists()

    def test_does_not_find_what_is_not_mapped(self):
        with pytest.raises(UnknownMapping):
            prices.unmap_consumption(
                package_id=a_plan().pk,
                feature=a_metered_feature(),
                credit_type=a_credit_type(),
                actor=SYSTEM,
                now=NOW,
            )
