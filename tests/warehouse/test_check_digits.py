"""GTINs and tax numbers: what is right, what is wrong, and of what nobody knows."""

from __future__ import annotations

import pytest

from warehouse.check_digits import is_gtin, is_vat_id


@pytest.mark.parametrize(
    ("gtin", "expected"),
    [
        *(("4006381333931", True), ("036000291452", True), ("96385074", True), ("10614141000415", True), ("0", False)),
        *(("4006381333930", False), ("4006-381333931", False), ("40063813339३१", False), ("", False)),
    ],
)
def test_check_digits_of_a_gtin(gtin, expected):
    assert is_gtin(gtin) is expected


@pytest.mark.parametrize(
    ("number", "country", "expected"),
    [
        ("FR 40 303 265 045", None, True),
        ("FR40303265046", "FR", False),
        ("de136695976", "FR", True),
        ("136695976", "DE", True),
        ("136695977", "DE", False),
        ("CHE-107.787.577 IVA", "CH", True),
        ("GB980780684", "GB", True),
        ("47", "US", None),
        ("12345678", None, None),
        ("", "FR", False),
        ("...", None, None),
        ("\x00" * 500, "DE", False),
    ],
)
def test_tax_numbers_are_judged_by_the_rule_of_their_country(number, country, expected):
    assert is_vat_id(number, country) is expected
