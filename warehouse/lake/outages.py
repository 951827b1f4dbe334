"""What is said when the storage of the lake's files, or its catalog's server, does not answer as it should.

DuckDB's own text repeats addresses, and with them what may be a password: only what is recognised here goes on. How the lake is
reached is in `attachment`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

ANSWER_SECONDS = 30
"""How long one request of a file may take."""

TRIES = 3
"""How often one is made before that is an outage: a server away costs a run a minute and a half at most."""

_FILE = re.compile(r"'(?P<server>https?://[^/']+)/(?P<file>[^'?]*)")
_STATUS = re.compile(r"\(HTTP (\d{3})[^)]*\)")
_CODE = re.compile(r"^(\w+):", re.MULTILINE)
_LOGIN = re.compile(r"//[^/@\s]*@|password=\S+")
_CAUSES = {
    "Could not connect": "cannot be connected to",
    "Could not resolve": "is not known by its name",
    "Timeout was reached": f"did not answer within {ANSWER_SECONDS} s, {TRIES} times",
    "SSL": "has no certificate that this machine trusts",
}


class LakeError(Exception):
    """The lake cannot be used as asked; the message says what to do. Never holds a password."""


class LakeEmptyError(LakeError):
    """Nothing was published yet."""


class LakeUnreachableError(LakeError):
    """The storage of the lake's files does not answer as it should: worth another try once that is mended."""


def unreachable(error: duckdb.Error) -> LakeUnreachableError:
    r"""What a failure of reading or writing means, and what to do.

    >>> import duckdb
    >>> text = "'http://s3.test/lake/a.parquet' in region 'x' (HTTP 403 Forbidden)\n\nInvalidAccessKeyId: "
    >>> str(unreachable(duckdb.IOException(text))).partition(":")[0]
    'the S3 server http'
    """
    text = str(error)
    place = _FILE.search(text)
    if place is None:
        return LakeUnreachableError(_LOGIN.sub("…", text.partition("\n")[0]))
    server, file = f"the S3 server {_LOGIN.sub('//', place['server'])}", place["file"]
    status, code = _STATUS.search(text), _CODE.search(text.partition("\n")[2])
    if status is None:
        cause = next((said for sign, said in _CAUSES.items() if sign in text), "does not answer")
        return LakeUnreachableError(f"{server} {cause}: see AWS_ENDPOINT_URL_S3, and that it runs")
    answer = f"HTTP {status[1]}{f' {code[1]}' if code else ''}"
    match int(status[1]), code and code[1]:
        case (401 | 403, _):
            hint = "see AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            return LakeUnreachableError(f"{server} refuses the key for {file} ({answer}): {hint}")
        case (404, "NoSuchBucket"):
            bucket = file.partition("/")[0]
            return LakeUnreachableError(f"{server} has no bucket {bucket} ({answer}): see ORDERS_LAKE_DATA")
        case (404, _):
            return LakeUnreachableError(f"{server} does not have {file}, which belongs to the order tables ({answer})")
        case _:
            return LakeUnreachableError(f"{server} answered {answer} for {file}")
