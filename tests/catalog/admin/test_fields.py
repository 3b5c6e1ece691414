import pytest
from django import forms

from catalog.admin.fields import Metadata
from catalog.models import PackageVersion
from tests.builders import a_coupon, a_credit_type, a_metered_feature, a_plan, a_product


class TestMetadata:
    @pytest.mark.parametrize(
        "metadata",
        [
            {},
            {"tier": "gold", "note": "ask: Ada"},
            {"with: colon": "x"},
            {"poem": "two\nlines"},
            {"{": "}"},
            {"empty": ""},
        ],
    )
    def test_takes_back_what_it_shows(self, metadata):
        field = Metadata()

        assert field.clean(field.prepare_value(metadata)) == metadata

    def test_shows_a_line_for_each(self):
        assert Metadata().prepare_value({"tier": "gold", "seats": "5"}) == "tier: gold\nseats: 5"

    @pytest.mark.parametrize(
        "text", ["gold", ": gold", "tier: gold\ntier: silver", "{", '{"tier": 5}', '{"a": null}']
    )
    def test_refuses_what_is_no_text_by_name(self, text):
        with pytest.raises(forms.ValidationError):
            Metadata().clean(text)

    @pytest.mark.django_db
    @pytest.mark.parametrize(
        ("build", "form"),
        [
            (a_credit_type, "edit"),
            (a_metered_feature, "edit"),
            (a_product, "edit"),
            (a_coupon, "edit"),
            (a_plan, "details"),
        ],
    )
    def test_is_in_the_form_of_what_has_it(self, administrator, build, form):
        row = build()
        kind = "plan" if form == "details" else row._meta.model_name
        address = f"/admin/catalog/{kind}/{row.pk}/"
        shown = administrator.get(f"{address}{form}/").context["form"]
        given = {name: shown[name].value() for name in shown.fields}
        given = {name: value for name, value in given.items() if value not in (None, [])}

        administrator.press(f"{address}{form}/", **given | {"metadata": "tier: gold"})

        owner = PackageVersion.objects.get() if form == "details" else type(row).objects.get()
        assert owner.metadata == {"tier": "gold"}
        assert "gold" in administrator.get(f"{address}change/").content.decode()
