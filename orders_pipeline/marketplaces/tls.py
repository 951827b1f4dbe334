"""How connections are verified: certificates and names are always checked; one TLS context for all marketplaces.

Loading the trusted authorities takes 40 ms of CPU: once a process, not once a connection. `SSL_CERT_FILE` names others.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from ssl import SSLContext, SSLError, create_default_context

import httpx


@cache
def verified() -> SSLContext:
    """The context that every client uses."""
    return httpx.create_ssl_context()


def trusting(authorities: Path | None) -> SSLContext:
    """The context of a server of one's own, such as for mail: these authorities, or the system's, and checked as ever.

    Raises:
        OSError: The file cannot be read.
    """
    return create_default_context(cafile=authorities)


TlsError = SSLError
"""What goes wrong with a connection's TLS."""
