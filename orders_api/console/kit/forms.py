"""What is sent by a form: its fields, and that it was one of our own pages that sent it.

Two things must hold of every request that may change something. The browser says that the page is of our own origin
(`Sec-Fetch-Site`, or `Origin` where that is not sent), and the form holds the token of the session. The token is masked anew in
each page, so that the sizes of compressed pages tell nothing of it (BREACH).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from orders_api.console.kit.texts import _
from orders_api.kit.errors import Problem

if TYPE_CHECKING:
    from starlette.requests import Request

TOKEN_FIELD = "form_token"  # noqa: S105 - the name of the field
TOKEN_BYTES = 32
FORM = "application/x-www-form-urlencoded"
LARGEST_FORM = 200_000
MOST_FIELDS = 2_000

Form = dict[str, list[str]]


async def read_form(request: Request) -> Form:
    """The fields of a form, each with its values.

    Raises:
        Problem: 413, 415; 422 when there are too many fields.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise Problem(415, "unsupported_media_type", _("Send the form as a browser does."))
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_FORM:
            raise Problem(413, "body_too_large", _("The form holds too much."))
    try:
        text = body.decode("ascii")
        fields = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Problem(422, "invalid_request", _("The form cannot be read.")) from None
    form: Form = {}
    for name, value in fields:
        form.setdefault(name, []).append(value)
    return form


def text_of(form: Form, name: str) -> str:
    """The value of a field, "" when it is not there."""
    return form.get(name, [""])[0]


def require_own_origin(request: Request) -> None:
    """Refuse what a page of somebody else, or no page at all, has sent.

    Raises:
        Problem: 403 `foreign_origin`.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin", "")
    own = urlsplit(origin).netloc == request.headers.get("host") if site is None else site == "same-origin"
    if not own:
        raise Problem(403, "foreign_origin", _("This was not sent by a page of this console. Nothing was done."))


def form_token(secret: str) -> str:
    """The token for the forms of one page.

    Args:
        secret: The session's.
    """
    mask = secrets.token_bytes(TOKEN_BYTES)
    return base64.urlsafe_b64encode(mask + _xor(mask, _token(secret))).decode()


def require_token(form: Form, secret: str) -> None:
    """Refuse a form that is not of a page which this session was answered.

    Raises:
        Problem: 403 `form_expired`.
    """
    try:
        given = base64.urlsafe_b64decode(text_of(form, TOKEN_FIELD))
    except (binascii.Error, ValueError):
        given = b""
    mask, masked = given[:TOKEN_BYTES], given[TOKEN_BYTES:]
    if len(masked) != TOKEN_BYTES or not hmac.compare_digest(_xor(mask, masked), _token(secret)):
        detail = _(
            "This form belongs to a session that is over. Nothing was done: go back, reload the page and try again."
        )
        raise Problem(403, "form_expired", detail)


def _token(secret: str) -> bytes:
    return hmac.new(secret.encode(), b"forms of the console", hashlib.sha256).digest()


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
