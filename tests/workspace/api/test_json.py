from decimal import Decimal
from io import BytesIO

import pytest
from rest_framework.exceptions import ParseError

from workspace.api.json import BodyTooLarge, DecimalJSONParser, DecimalJSONRenderer


def parse(body: bytes):
    return DecimalJSONParser().parse(BytesIO(body))


class TestDecimalJSONParser:
    def test_reads_numbers_exactly(self):
        value = parse(b'{"a": 123456789012345.678901, "b": 9007199254740993, "c": 1e-7}')

        assert value == {
            "a": Decimal("123456789012345.678901"),
            "b": 9007199254740993,
            "c": Decimal("0.0000001"),
        }
        assert type(value["b"]) is int

    def test_reads_text_in_every_script(self):
        assert parse('{"a": "é🎉"}'.encode()) == {"a": "é🎉"}
        assert parse(b'{"a": "\\ud83c\\udf89"}') == {"a": "🎉"}

    def test_reads_fifty_levels(self):
        assert parse(b"[" * 50 + b"1" + b"]" * 50)

    def test_takes_a_body_without_bytes_for_none(self):
        assert parse(b"") == {}

    @pytest.mark.parametrize(
        "body",
        [
            b" ",
            b"{",
            b"{'a': 1}",
            b'{"a": 01}',
            b'{"a": 0x1}',
            b'{"a": 1_000}',
            b'{"a": NaN}',
            b'{"a": Infinity}',
            b'{"a": -Infinity}',
            b'{"a": 1, "a": 2}',
            b'{"a": {"b": 1, "b": 1}}',
            b"[" * 51 + b"]" * 51,
            b"[" * 100_000 + b"]" * 100_000,
            b"[" * 100_000,
            b'{"a":' * 60 + b"1" + b"}" * 60,
            b"1" * 50_000,
            b"1." + b"1" * 50_000,
            b"1e400",
            b"1e-400",
            b"1e999999999",
            b"1e" + b"9" * 5_000,
            '{"a": １}'.encode(),
            '{"a": 1}'.encode("utf-16"),
            b'\xef\xbb\xbf{"a": 1}',
            b'{"a": "\xff"}',
            b'{"a": "\x00"}',
            b'{"a": "\\u0000"}',
            b'{"\\u0000": 1}',
            b'{"a": "\\ud800"}',
            b'{"\\udfff": 1}',
            b'["\\ud800x"]',
            b"<a/>",
            b"a=1&b=2",
        ],
        ids=lambda body: repr(body[:20]),
    )
    def test_refuses(self, body):
        with pytest.raises(ParseError):
            parse(body)

    def test_refuses_more_than_two_megabytes(self):
        """X8."""
        with pytest.raises(BodyTooLarge):
            parse(b'"' + b"a" * 2 * 1024 * 1024 + b'"')


class TestDecimalJSONRenderer:
    def test_writes_every_digit(self):
        written = DecimalJSONRenderer().render({"a": Decimal("123456789012345.678901")})

        assert written == b'{"a":123456789012345.678901}'

    def test_writes_nothing_for_nothing(self):
        assert DecimalJSONRenderer().render(None) == b""
