"""Where a secret may be sent: https anywhere, plain http to this machine alone, however the address is spelt."""

from __future__ import annotations

import pytest

from warehouse.web_addresses import AddressFault, address_fault


@pytest.mark.parametrize(
    "address",
    [
        "https://shop.example",
        "https://shop.example:8443/base/",
        "https://bücher.example",
        "HTTPS://SHOP.EXAMPLE",
        "http://127.0.0.1:8080",
        "http://127.0.0.2",
        "http://localhost/api",
        "http://LOCALHOST",
        "http://[::1]:80",
    ],
)
def test_a_secret_may_be_sent_there(address):
    assert address_fault(address) is None


@pytest.mark.parametrize(
    "address",
    [
        "http://shop.example",
        "http://10.0.0.5",
        "http://0.0.0.0",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "http://2130706433",
        "http://[::ffff:10.0.0.5]",
        "http://lOcalhost.",
    ],
)
def test_a_secret_would_be_sent_in_clear(address):
    assert address_fault(address) is AddressFault.INSECURE


@pytest.mark.parametrize(
    "address",
    [
        "",
        "shop.example",
        "//shop.example",
        "ftp://127.0.0.1",
        "https://",
        "https:///path",
        "https://shop example",
        "https://shop.exam\nple",
        "https://shop.example:99999",
        "https://[::1",
        "http://127.0.0.1@shop.example",
        "http://localhost\\@shop.example",
        "http://localhost#@shop.example",
        "http://localhost?@shop.example",
        "https://user:secret@shop.example",
    ],
)
def test_it_is_no_address_for_secrets(address):
    assert address_fault(address) is AddressFault.INVALID
