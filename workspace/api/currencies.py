"""The currencies that answers may name: those of the contract, in small letters.

Inside, a currency is written in capitals, as people do.
"""

from typing import Any

from rest_framework import serializers

CONTRACT = """
    usd aed all amd ang aud awg azn bam bbd bdt bgn bif bmd bnd bsd bwp byn bzd brl cad cdf
    chf cny czk dkk dop dzd egp etb eur fjd gbp gel gip gmd gyd hkd hrk htg idr ils inr isk
    jmd jpy kes kgs khr kmf krw kyd kzt lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mro mvr
    mwk mxn myr mzn nad ngn nok npr nzd pgk php pkr pln qar ron rsd rub rwf sar sbd scr sek
    sgd sle sll sos szl thb tjs top try ttd tzs uah uzs vnd vuv wst xaf xcd yer zar zmw clp
    djf gnf ugx pyg xof xpf
"""
CODES = frozenset(CONTRACT.split())


class CurrencyField(serializers.Field[str, Any, str | None, Any]):
    """A currency such as "usd"; "USD" inside, and "" inside where there is none."""

    default_error_messages = {"currency": "This is no currency we know."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or data.lower() not in CODES:
            self.fail("currency")
        return data.upper()

    def to_representation(self, value: str) -> str | None:
        return wire_currency(value)


def wire_currency(code: str) -> str | None:
    """A currency as answers show it; None where there is none."""
    return code.lower() or None
