from decimal import Decimal

import pytest

from catalog.archiving import archive_coupon
from catalog.models import Coupon
from tests.builders import NOW, a_coupon
from tests.workspace.admin.conftest import words
from workspace.actors import SYSTEM
from workspace.models import Role

pytestmark = pytest.mark.django_db

LIST = "/admin/catalog/coupon/"


class TestCouponAdmin:
    def test_says_what_to_do_first(self, administrator):
        answer = administrator.get(LIST)

        assert b"No coupons yet" in answer.content
        assert b"Add coupon" in answer.content

    def test_shows_discount_and_duration(self, administrator):
        a_coupon(percent_off="12.5", duration_in_months=1)
        a_coupon(amounts_off={"USD": Decimal(12), "EUR": Decimal("9.5")})

        page = administrator.get(LIST).content.decode()

        for shown in ("12.5 %", "1 month", "9.5 EUR or 12 USD", "Forever"):
            assert shown in page

    def test_takes_a_constant_number_of_queries(self, administrator, django_assert_max_num_queries):
        for _ in range(12):
            a_coupon()
        administrator.get(LIST)

        with django_assert_max_num_queries(8):
            assert len(administrator.get(LIST).context["cl"].result_list) == 12

    @pytest.mark.parametrize(
        ("role", "may"), [(Role.PRODUCT_MANAGER, True), (Role.CUSTOMER_SUPPORT, False)]
    )
    def test_offers_changes_to_those_who_may(self, visit, role, may):
        """X9."""
        coupon = a_coupon()
        visitor = visit(role)
        page = f"{LIST}{coupon.pk}/archive/"

        assert visitor.get(LIST).status_code == 200
        assert visitor.get(page).status_code == (200 if may else 403)
        assert visitor.get(f"{LIST}add/").status_code == (200 if may else 403)
        assert (page in visitor.get(f"{LIST}{coupon.pk}/change/").content.decode()) is may


class TestAddCoupon:
    ADD = LIST + "add/"
    NAMED = {"name": "Launch", "public_id": "launch"}

    def test_creates_a_percentage(self, administrator):
        answer = administrator.press(
            self.ADD,
            **self.NAMED,
            type="PERCENTAGE",
            percent_off="12.5",
            amount_usd="99",
            duration_in_months="3",
        )

        stored = Coupon.objects.get()
        assert words(answer) == ["Launch is created."]
        assert (stored.percent_off, stored.amounts) == (Decimal("12.5"), {})
        assert stored.duration_in_months == 3

    def test_creates_amounts(self, administrator):
        administrator.press(
            self.ADD,
            **self.NAMED,
            type="FIXED",
            percent_off="10",
            amount_usd="1,200.50",
            amount_eur=" 9 ",
        )

        stored = Coupon.objects.get()
        assert stored.amounts == {"EUR": Decimal(9), "USD": Decimal("1200.5")}
        assert (stored.percent_off, stored.duration_in_months) == (None, None)

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"type": "PERCENTAGE"}, "percent_off"),
            ({"type": "PERCENTAGE", "percent_off": "101"}, "percent_off"),
            ({"type": "PERCENTAGE", "percent_off": "1,5"}, "percent_off"),
            ({"type": "FIXED"}, "amount_usd"),
            ({"type": "FIXED", "amount_eur": "0"}, "amount_eur"),
            ({"type": "NEITHER", "percent_off": "10"}, "type"),
            ({"type": "PERCENTAGE", "percent_off": "10", "name": "a\0b"}, "name"),
            ({"type": "PERCENTAGE", "percent_off": "10", "duration_in_months": "0"}, None),
        ],
    )
    def test_says_what_is_wrong_beside_the_field(self, administrator, fields, field):
        answer = administrator.press(self.ADD, **{**self.NAMED, **fields})

        assert (field or "duration_in_months") in answer.context["form"].errors
        assert not Coupon.objects.exists()


class TestEditCoupon:
    def test_changes_how_it_is_called(self, administrator):
        coupon = a_coupon()

        answer = administrator.press(f"{LIST}{coupon.pk}/edit/", name="Autumn", description="x")

        assert words(answer) == ["Autumn is saved."]
        assert Coupon.objects.get().description == "x"


class TestArchive:
    def test_retires_it_and_brings_it_back(self, administrator):
        coupon = a_coupon("Launch")

        answer = administrator.press(f"{LIST}{coupon.pk}/archive/")
        assert words(answer) == ["Launch is archived."]
        assert Coupon.objects.get().archived_at is not None

        administrator.press(f"{LIST}{coupon.pk}/unarchive/")
        assert Coupon.objects.get().archived_at is None

    def test_says_that_it_was_done_meanwhile(self, administrator):
        coupon = a_coupon("Launch")
        page = f"{LIST}{coupon.pk}/archive/"
        once = administrator.get(page).context["once"]
        archive_coupon(coupon_id=coupon.pk, actor=SYSTEM, now=NOW)

        answer = administrator.post(page, {"once": once}, follow=True)

        assert answer.context["form"].non_field_errors() == ["Launch is archived already."]
