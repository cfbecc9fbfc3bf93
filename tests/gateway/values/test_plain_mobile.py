"""The short way to read a number agrees with the library's long one."""

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.values.msisdn import Msisdn, plain_mobile

REGIONS = ["CI", "CM", "SN", "BJ", "GH", "ML", "BF", "NG", "KE", "RE", "FR"]


@settings(max_examples=3_000, deadline=None)
@given(st.sampled_from(REGIONS), st.text("0123456789", min_size=5, max_size=12), st.booleans())
def test_the_short_way_finds_nothing_that_the_library_would_refuse(region: str, national: str, own: bool) -> None:
    code = phonenumbers.country_code_for_region(region if own else "CI")
    text = f"+{code}{national}"
    found = plain_mobile(text, region)
    if found is None:
        return
    number = phonenumbers.parse(text, region)
    assert phonenumbers.is_valid_number_for_region(number, region)
    assert phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE
    assert found == Msisdn(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), region)


@pytest.mark.parametrize("region", ["CI", "CM", "SN", "BJ", "GH"])
def test_an_example_of_each_country_takes_the_short_way(region: str) -> None:
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    assert number is not None
    text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    assert plain_mobile(text, region) == Msisdn(text, region)


@pytest.mark.parametrize(
    "text", ["0501020304", "+2250501020304 ", "+225٠501020304", "+22505010203", "+237650000000", ""]
)
def test_anything_else_takes_the_long_way(text: str) -> None:
    assert plain_mobile(text, "CI") is None
