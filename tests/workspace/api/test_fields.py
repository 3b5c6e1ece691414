from datetime import UTC, datetime

import pytest
from django.http import QueryDict
from rest_framework import serializers

from workspace.api.camel import CamelMixin
from workspace.api.fields import (
    ChoiceField,
    CommaListField,
    InstantRangeField,
    MetadataField,
    PublicIdField,
    TextField,
    UtcDateTimeField,
)


class TestUtcDateTimeField:
    @pytest.mark.parametrize(
        "text",
        [
            "2026-10-01T10:00:00Z",
            "2026-10-01T10:00:00.000Z",
            "2026-10-01T10:00:00",
            "2026-10-01 10:00:00+00:00",
            "2026-10-01T10:00",
            "2026-10-01T12:00:00+02:00",
            "2026-10-01T12:00:00.000000000+0200",
            "2026-10-01t10:00:00z",
        ],
    )
    def test_reads(self, text):
        """No zone is UTC."""
        assert UtcDateTimeField().run_validation(text) == datetime(2026, 10, 1, 10, tzinfo=UTC)

    def test_keeps_microseconds(self):
        assert (
            UtcDateTimeField().run_validation("2026-10-01T10:00:00.123456Z").microsecond == 123456
        )

    @pytest.mark.parametrize(
        "data",
        [
            "",
            "now",
            "2026-02-30T00:00:00Z",
            "2026-10-01T25:00:00Z",
            "2026-10-01T10:60:00Z",
            "2026-10-01T10:00:60Z",
            "2026-10-01T10:00:00+99:00",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2200-01-01T00:00:00Z",
            "9999-12-31T23:59:59-14:00",
            "99999-01-01T00:00:00Z",
            "-2026-10-01T10:00:00Z",
            "2026-W40-4T10:00:00Z",
            "20261001T100000Z",
            "2026-10-01",
            "２026-10-01T10:00:00Z",
            "2026-10-01T10:00:00Z\n",
            1790000000,
            True,
            None,
            [],
            {},
        ],
        ids=repr,
    )
    def test_refuses(self, data):
        with pytest.raises(serializers.ValidationError):
            UtcDateTimeField().run_validation(data)

    def test_writes_utc_with_milliseconds(self):
        at = datetime(2026, 10, 1, 10, 0, 0, 123456, tzinfo=UTC)

        assert UtcDateTimeField().to_representation(at) == "2026-10-01T10:00:00.123Z"


class TestTextField:
    def test_reads_one_line_and_trims_it(self):
        assert TextField().run_validation("  Pro <b>{{ x }}</b> ") == "Pro <b>{{ x }}</b>"

    @pytest.mark.parametrize(
        "data",
        ["", "  ", None, 1, True, [], {}, "a\0", "a\ud800", "a\u202eb", "a\nb", "a\rb", "a" * 256],
        ids=lambda data: repr(data)[:20],
    )
    def test_refuses(self, data):
        with pytest.raises(serializers.ValidationError):
            TextField(max_length=255).run_validation(data)

    def test_reads_several_lines_where_they_make_sense(self):
        assert TextField(multiline=True).run_validation("a\nb") == "a\nb"
        with pytest.raises(serializers.ValidationError):
            TextField(multiline=True).run_validation("a\0b")


class TestChoiceField:
    @pytest.mark.parametrize("value", ["C", "a", "", 1, None, ["A"], True])
    def test_says_what_there_is_to_choose(self, value):
        with pytest.raises(serializers.ValidationError) as refusal:
            ChoiceField(["A", "B"]).run_validation(value)

        if isinstance(value, str) and value:
            assert refusal.value.detail == ["Choose one of: A, B."]


class TestPublicIdField:
    def test_reads(self):
        """R1."""
        assert PublicIdField().run_validation("plan-pro|1.@") == "plan-pro|1.@"

    @pytest.mark.parametrize("data", ["", " a", "a/b", "-a", "a" * 256, "a\n", 1, True, None, []])
    def test_refuses(self, data):
        with pytest.raises(serializers.ValidationError):
            PublicIdField().run_validation(data)


class TestMetadataField:
    def test_reads_text_to_text(self):
        assert MetadataField().run_validation({"team": "a", "none": ""}) == {
            "team": "a",
            "none": "",
        }

    @pytest.mark.parametrize(
        "data",
        [
            "x",
            [],
            {"a": 1},
            {"a": None},
            {"a": {"b": "c"}},
            {"": "a"},
            {"a" * 65: "b"},
            {"a": "b" * 1025},
            {"a": "\0"},
            {"a\n": "b"},
            {str(number): "x" for number in range(51)},
        ],
        ids=lambda data: repr(data)[:20],
    )
    def test_refuses(self, data):
        class Reader(serializers.Serializer):
            metadata = MetadataField()

        assert not Reader(data={"metadata": data}).is_valid()


class Filter(CamelMixin, serializers.Serializer):
    status = CommaListField(child=ChoiceField(["A", "B"]), required=False)
    created_at = InstantRangeField(required=False)


class TestCommaListField:
    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", {}),
            ("status=", {"status": []}),
            ("status=A", {"status": ["A"]}),
            ("status=A,B", {"status": ["A", "B"]}),
            ("status=A&status=B", {"status": ["A", "B"]}),
        ],
    )
    def test_reads(self, query, found):
        reader = Filter(data=QueryDict(query))

        assert reader.is_valid()
        assert reader.validated_data == found

    def test_refuses_what_its_child_refuses(self):
        assert not Filter(data=QueryDict("status=A,C")).is_valid()


class TestInstantRangeField:
    def test_reads_bounds(self):
        reader = Filter(
            data=QueryDict("createdAt[gte]=2026-10-01T10:00:00Z&createdAt[lt]=2026-11-01T00:00")
        )

        assert reader.is_valid()
        assert reader.validated_data["created_at"] == {
            "gte": datetime(2026, 10, 1, 10, tzinfo=UTC),
            "lt": datetime(2026, 11, 1, tzinfo=UTC),
        }

    def test_refuses_what_is_no_instant(self):
        assert not Filter(data=QueryDict("createdAt[gte]=soon")).is_valid()

    @pytest.mark.parametrize(
        "query", ["createdAt[foo]=x", "createdAt[gte=x", "createdAt[]=x", "createdAt=2026-10-01"]
    )
    def test_says_how_bounds_are_given(self, query):
        reader = Filter(data=QueryDict(query))

        assert not reader.is_valid()
        [message] = reader.errors["createdAt"]
        assert message == (
            "This is a range: give createdAt[gt], createdAt[gte], createdAt[lt], createdAt[lte]."
        )
