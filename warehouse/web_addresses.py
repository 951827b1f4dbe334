"""Where a secret may be sent: to an https address, or to this machine.

A rule on text: nothing is looked up or opened here. What an address is for is its owner's knowledge.
"""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum
from urllib.parse import urlsplit

import idna

_HOST = re.compile(r"[a-z0-9.:-]+")


class AddressFault(StrEnum):
    """Why a secret may not be sent to an address."""

    INVALID = "is no web address"
    INSECURE = "is not https, and not on this machine: a secret would be sent in clear"


def address_fault(address: str) -> AddressFault | None:
    """What is wrong with an address as the base of calls that carry a secret; None when nothing is.

    >>> address_fault("https://shop.example/api"), address_fault("http://127.0.0.1:8080")
    (None, None)
    >>> address_fault("http://shop.example").name, address_fault("https://user:secret@shop.example").name
    ('INSECURE', 'INVALID')
    """
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        is_numbered = parts.port != 0
        name = host if host.isascii() else idna.encode(host).decode()
    except ValueError:
        return AddressFault.INVALID
    is_plain = address.isprintable() and not set(address) & set(" @?#\\") and is_numbered
    if parts.scheme not in {"http", "https"} or not is_plain or not _HOST.fullmatch(name):
        return AddressFault.INVALID
    return None if parts.scheme == "https" or is_loopback(name) else AddressFault.INSECURE


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its own name or number; any other name may lead anywhere.

    >>> is_loopback("localhost"), is_loopback("::1"), is_loopback("localhost.example")
    (True, True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
