"""Addresses and countries, cleaned up the same way for every marketplace."""

from __future__ import annotations

import pycountry
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders_pipeline.marketplaces.addresses import cleaned, phone
from orders_pipeline.marketplaces.countries import country_code, from_alpha_3
from warehouse.order_parts import Address


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        *(("UK", "GB"), ("XI", "GB"), ("EL", "GR"), ("uk", "GB"), ("GB-NIR", "GB"), ("XKX", "XK"), ("250", "FR")),
        *(("GP", "GP"), ("GLP", "GP"), ("US-PR", "PR"), ("IC", "ES"), ("JE", "JE"), ("ROM", "RO")),
        *(("PAYS BAS", "NL"), ("Österreich", "AT"), ("Espana", "ES"), ("Ελλάδα", "GR"), ("日本", "JP")),
        *(("England", "GB"), ("Northern Ireland", "GB"), ("Guadeloupe", "GP"), ("La Réunion", "RE"), ("Kosovo", "XK")),
        *(("Atlantis", None), ("", None), ("ZZ", None), ("X-1", None)),
    ],
)
def test_codes_and_names(sent, code):
    assert country_code(sent) == code


def test_every_code_of_iso_3166_is_understood_and_means_itself():
    for country in pycountry.countries:
        assert country_code(country.alpha_2) == country_code(country.alpha_3.lower()) == country.alpha_2
        assert from_alpha_3(country.alpha_3) == country.alpha_2


def test_the_first_that_means_a_country_counts():
    assert country_code(None, "INT1", "Belgique", "FR") == "BE"


@given(st.text(max_size=60))
def test_any_text_is_a_country_or_none(text):
    found = country_code(text)
    assert found is None or len(found) == 2


@pytest.mark.parametrize(
    ("lines", "moved"),
    [
        (("1 rue A", "2e", None), ("1 rue A", "2e", None)),
        ((None, "Teststr. 58", None), ("Teststr. 58", None, None)),
        (("-", "Teststr. 58", "Hinterhaus"), ("Teststr. 58", "Hinterhaus", None)),
        ((None, None, "Teststr. 58"), ("Teststr. 58", None, None)),
        (("N/A", ".", None), (None, None, None)),
        (("1 rue A", None, "Code 4711"), ("1 rue A", None, "Code 4711")),
    ],
)
def test_the_first_line_says_something(lines, moved):
    found = cleaned(Address(line_1=lines[0], line_2=lines[1], line_3=lines[2]))
    assert (found.line_1, found.line_2, found.line_3) == moved


@pytest.mark.parametrize(
    "sent",
    [
        "-",
        "",
        "n/a",
        "0",
        "000-000-0000",
        "+00 00 00",
        "1111111111",
        "1234567890",
        "0123456789",
        "xxx",
        "\u0660\u0660\u0660\u0660",
    ],
)
def test_fillers_are_no_phones(sent):
    assert phone(sent) is None


@pytest.mark.parametrize(
    "sent",
    [
        "+33 1 23 45 67 89",
        "030 23125",
        "112 ext. 9",
        "+1 206-555-0100 ext. 12345",
        "\u0660\u0665\u0660\u0661\u0662\u0663\u0664",
    ],
)
def test_phones_are_kept_as_sent(sent):
    assert phone(sent) == sent


def test_a_name_is_only_dropped_when_it_says_nothing():
    assert cleaned(Address(name="None")).name == "None"
    assert cleaned(Address(name="--", company="n/a", city=".", state="-")) == Address()


@given(st.builds(Address, **dict.fromkeys(Address.__slots__, st.none() | st.text(max_size=8))))
def test_cleaning_twice_changes_nothing_more_and_invents_nothing(address):
    once = cleaned(address)
    assert cleaned(once) == once
    told = {getattr(address, name) for name in Address.__slots__}
    assert {getattr(once, name) for name in Address.__slots__} <= told | {None}
