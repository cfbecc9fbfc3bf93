"""Numbers as people, aggregators and spreadsheets write them."""

import pytest

from gateway.orders.wallet import PaymentMethod, guess_method, may_have, not_taken_yet
from gateway.values.msisdn import Msisdn, NumberFault, mask, read_msisdn

GOOD = [
    ("0501020304", "CI", "+2250501020304"),
    ("05 01 02 03 04", "CI", "+2250501020304"),
    ("05.01.02.03.04", "CI", "+2250501020304"),
    ("(05)01-02-03-04", "CI", "+2250501020304"),
    ("٠٥٠١٠٢٠٣٠٤", "CI", "+2250501020304"),
    ("05\u00a001\u00a002\u00a003\u00a004", "CI", "+2250501020304"),
    ("tel:+2250501020304", "CI", "+2250501020304"),
    ("00225 05 01 02 03 04", "CI", "+2250501020304"),
    ("2250501020304", "CI", "+2250501020304"),
    ("+2250501020304", "CI", "+2250501020304"),
    ("05 O1 02 03 04", "CI", "+2250501020304"),
    ("*0501020304#", "CI", "+2250501020304"),
    ("671234567", "CM", "+237671234567"),
    ("237671234567", "CM", "+237671234567"),
]

BAD = [
    ("", "CI", NumberFault.UNREADABLE),
    ("MTN", "CI", NumberFault.UNREADABLE),
    ("7890", "CI", NumberFault.INVALID),
    ("01020304", "CI", NumberFault.INVALID),
    ("+22501020304", "CI", NumberFault.INVALID),
    ("501020304", "CI", NumberFault.INVALID),
    ("+254700000001", "CI", NumberFault.FOREIGN),
    ("+33612345678", "CI", NumberFault.FOREIGN),
    ("0707000001 ext 5", "CI", NumberFault.UNREADABLE),
    ("0501020304 / 0701020304", "CI", NumberFault.INVALID),
    ("2721000000", "CI", NumberFault.NOT_MOBILE),
    ("9" * 40, "CI", NumberFault.UNREADABLE),
    ("\u202e0501020304'; drop table votes", "CI", NumberFault.UNREADABLE),
]


@pytest.mark.parametrize(("typed", "region", "e164"), GOOD)
def test_reads(typed: str, region: str, e164: str) -> None:
    assert read_msisdn(typed, region) == Msisdn(e164, region)


@pytest.mark.parametrize(("typed", "region", "fault"), BAD)
def test_refuses(typed: str, region: str, fault: NumberFault) -> None:
    found = read_msisdn(typed, region)
    assert isinstance(found, NumberFault), found
    if found is not fault:
        assert {found, fault} <= {NumberFault.UNREADABLE, NumberFault.INVALID, NumberFault.NOT_MOBILE}


def test_a_number_that_dials_us_may_have_a_new_prefix() -> None:
    assert isinstance(read_msisdn("+2250901020304", "CI"), NumberFault)
    assert read_msisdn("+2250901020304", "CI", vouched=True) == Msisdn("+2250901020304", "CI")


def test_masks() -> None:
    assert Msisdn("+2250501020304", "CI").masked() == "+225 05 •• •• 03 04"
    assert Msisdn("+2250501020304", "CI").masked_gsm() == "05..0304"
    assert mask("7890") == "••••"


@pytest.mark.parametrize(
    ("e164", "country", "network", "method"),
    [
        ("+2250501020304", "CI", None, PaymentMethod.MTN),
        ("+2250701020304", "CI", None, PaymentMethod.ORANGE),
        ("+2250101020304", "CI", None, PaymentMethod.MOOV),
        ("+2250701020304", "CI", "61205", PaymentMethod.MTN),
        ("+2250501020304", "CI", "61202", PaymentMethod.MOOV),
        ("+2250501020304", "CI", "99999", PaymentMethod.MTN),
        ("+237671234567", "CM", None, PaymentMethod.MTN),
        ("+237684123456", "CM", None, None),
        ("+237687123456", "CM", None, PaymentMethod.ORANGE),
        ("+237651123456", "CM", "62402", PaymentMethod.ORANGE),
    ],
)
def test_wallet_guess(e164: str, country: str, network: str | None, method: PaymentMethod | None) -> None:
    assert guess_method(Msisdn(e164, country), network) is method


@pytest.mark.parametrize(
    ("e164", "country", "network", "wallets", "own"),
    [
        ("+2250501020304", "CI", None, "MTN", "MTN MoMo"),
        ("+2250701020304", "CI", None, "ORANGE", "Orange Money"),
        ("+2250101020304", "CI", None, "MOOV", "Moov Money"),
        ("+2250901020304", "CI", None, "MTN ORANGE MOOV", None),
        ("+2250701020304", "CI", "61205", "MTN", "MTN MoMo"),
        ("+2250701020304", "CI", "moov", "MOOV", "Moov Money"),
        ("+2250701020304", "CI", "99999", "ORANGE", "Orange Money"),
        # Numbers are taken along there, so that only the network of the SIM is certain.
        ("+237671234567", "CM", None, "MTN ORANGE MOOV", "MTN MoMo"),
        ("+237661234567", "CM", None, "MTN ORANGE MOOV", None),
        ("+237671234567", "CM", "62402", "ORANGE", "Orange Money"),
        ("+237671234567", "CM", "62404", "", None),
        ("+221771234567", "SN", None, "MTN ORANGE MOOV", None),
    ],
)
def test_wallets_that_a_number_may_have(
    e164: str, country: str, network: str | None, wallets: str, own: str | None
) -> None:
    number = Msisdn(e164, country)
    found = {method for method in PaymentMethod if may_have(number, method, network)}
    assert found == {PaymentMethod.WAVE, PaymentMethod.CARD, *(PaymentMethod[name] for name in wallets.split())}
    assert not_taken_yet(number, network) is None
    assert not_taken_yet(number, network, taken=()) == own
