"""How connections are secured: https alone, loopback apart; certificates and names are always checked, by one TLS context.

Loading the trusted authorities takes 40 ms of CPU: once a process, not once a connection. `SSL_CERT_FILE` names others.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from ssl import SSLContext, SSLError, create_default_context
from threading import Lock

import httpx

from orders_pipeline.marketplaces.errors import Permanent
from warehouse.web_addresses import AddressFault, address_fault


def secure(address: str, hint: str = "check the connection's endpoint") -> str:
    """The address without a slash at its end.

    Raises:
        Permanent: It is no web address, or secrets would be sent to it in clear.
    """
    address = address.strip().rstrip("/")
    match address_fault(address):
        case None:
            return address
        case AddressFault.INVALID as fault:
            raise Permanent("endpoint_invalid", f"the connection's endpoint {fault}", hint)
        case AddressFault.INSECURE as fault:
            raise Permanent("endpoint_insecure", f"the connection's endpoint {fault}", hint)


_ONE_MAKES_IT = Lock()


def verified() -> SSLContext:
    """The context that every client uses."""
    with _ONE_MAKES_IT:  # several connections are opened at once, and a cache lets each thread make its own
        return _made()


@cache
def _made() -> SSLContext:
    return httpx.create_ssl_context()


def trusting(authorities: Path | None) -> SSLContext:
    """The context of a server of one's own, such as for mail: these authorities, or the system's, and checked as ever.

    Raises:
        OSError: The file cannot be read.
    """
    return create_default_context(cafile=authorities)


TlsError = SSLError
"""What goes wrong with a connection's TLS."""
