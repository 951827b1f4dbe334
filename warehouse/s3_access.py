"""How S3 servers are reached, by the usual AWS_* variables: the lake's files, mirrors, the archive and backups all the same.

What the machine's own AWS configuration says does not count. Talking to a server is in `object_storage` and in `lake`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class S3Access:
    """A key and a server; None: not given.

    Attributes:
        key_id: Of the access key.
        secret: Of the access key.
        session_token: Of a key that is temporary.
        region: Where the bucket is.
        endpoint: URL of a server of one's own; None: AWS.
    """

    key_id: str | None
    secret: str | None
    session_token: str | None
    region: str | None
    endpoint: str | None


def present_access() -> S3Access:
    """What the environment gives now."""
    return S3Access(
        key_id=_first("AWS_ACCESS_KEY_ID"),
        secret=_first("AWS_SECRET_ACCESS_KEY"),
        session_token=_first("AWS_SESSION_TOKEN"),
        region=_first("AWS_REGION", "AWS_DEFAULT_REGION"),
        endpoint=_first("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    )


def _first(*names: str) -> str | None:
    return next(filter(None, map(os.environ.get, names)), None)
