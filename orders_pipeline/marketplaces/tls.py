"""How connections to marketplaces are verified: one TLS context for all of them, always checking certificates and names.

Loading the trusted authorities takes 40 ms of CPU: once a process, not once a connection. `SSL_CERT_FILE` names others.
"""

from __future__ import annotations

from functools import cache
from ssl import SSLContext

import httpx


@cache
def verified() -> SSLContext:
    """The context that every client uses."""
    return httpx.create_ssl_context()
