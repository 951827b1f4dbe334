"""Where marketplaces tell that a buyer's account was deleted: the answer to their challenge, and taking their notices.

Open to everyone, as a marketplace has no token of ours. A notice is kept encrypted and answered at once. Whether it is
authentic the pipeline judges before anything is done: it alone talks to marketplaces.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from fastapi import Path, Query
from pydantic import AfterValidator
from starlette.requests import Request
from starlette.responses import Response

from orders_api.kit.answers import fresh_answer
from orders_api.kit.errors import Problem, describe, not_found
from orders_api.kit.routes import RawBody, ThisInstallation, resource
from orders_api.schemas.account_deletions import ChallengeAnswer, ChallengeQuery, DeletionNoticeBody
from warehouse.ledger.base.credentials import SecretMissing, resolve_credentials
from warehouse.ledger.book import account_deletions
from warehouse.ledger.settings.channels import find_connection
from warehouse.ledger.settings.document import CODE
from warehouse.ledger.settings.kinds import all_kinds
from warehouse.logs import Event
from warehouse.privacy import KeyRingError

if TYPE_CHECKING:
    from typing import NoReturn

    from sqlalchemy.engine import Connection as Transaction

    from orders_api.kit.installation import ApiInstallation
    from warehouse.ledger.settings.channels import Connection
    from warehouse.marketplace_kinds import DeletionNotices

LOG = logging.getLogger("orders_api.account_deletions")

MOST_BYTES = 16_384
"""Of a notice with its signature; a genuine one has not a tenth of it."""

router = resource("Account deletions")


def _code(given: str) -> str:
    return given if re.fullmatch(CODE, given) else ""


ConnectionCode = Annotated[
    str,
    AfterValidator(_code),
    Path(alias="connection", description="Code of the connection.", examples=["shop"]),
]


@router.get(
    "/v1/account-deletions/{connection}",
    summary="Answer a marketplace's challenge",
    response_model=ChallengeAnswer,
    responses=describe(404),
)
def answer_deletion_challenge(
    installation: ThisInstallation, code: ConnectionCode, query: Annotated[ChallengeQuery, Query()]
) -> Response:
    """The marketplace asks this before it sends notices, to see that the address is ours.

    404 where the connection's marketplace sends no notices, or its verification token or its public address is not set.
    """
    with installation.ledger.read() as transaction:
        connection, notices = _sending(transaction, code)
    token, address = _secrets(installation, connection, notices)
    proof = hashlib.sha256(f"{query.challenge_code}{token}{address}".encode()).hexdigest()
    return fresh_answer({"challengeResponse": proof})


@router.post(
    "/v1/account-deletions/{connection}",
    summary="Tell that a buyer's account was deleted",
    status_code=HTTPStatus.NO_CONTENT,
    responses=describe(404, 412, 503),
)
def take_deletion_notice(
    request: Request,
    installation: ThisInstallation,
    code: ConnectionCode,
    notice: DeletionNoticeBody,  # noqa: ARG001 - its shape is what is asked of it
    body: RawBody,
) -> Response:
    """Sent by the marketplace. It is kept, encrypted, and carried out with the next purge: personal data of that buyer's closed
    orders goes; an open order keeps its own until it is closed. A buyer whom no order knows is no fault.

    412 where the header with the marketplace's signature is missing or cannot be read; whether it is right is seen later.
    """
    with installation.ledger.read() as transaction:
        connection, notices = _sending(transaction, code)
    _secrets(installation, connection, notices)
    signature = request.headers.get(notices.signature_header, "")
    if len(body) + len(signature) > MOST_BYTES:
        raise Problem(413, "body_too_large", f"A notice may have {MOST_BYTES} bytes.")
    if not _is_base64(signature):
        raise Problem(
            412, "signature_missing", f"The notice has no {notices.signature_header}, or none that can be read."
        )
    try:
        with installation.ledger.write() as transaction:
            account_deletions.keep(
                transaction, installation.keys, connection.code, body, signature, installation.clock()
            )
    except account_deletions.TooManyNotices:
        detail = "So many notices wait that no more are taken. Send it again later."
        raise Problem(503, "too_many_notices", detail, headers={"Retry-After": "3600"}) from None
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _sending(transaction: Transaction, code: str) -> tuple[Connection, DeletionNotices]:
    connection = find_connection(transaction, code)
    kind = None if connection is None else all_kinds(transaction).get(connection.kind)
    if connection is None or kind is None or kind.deletion_notices is None:
        _refuse()
    return connection, kind.deletion_notices


def _secrets(installation: ApiInstallation, connection: Connection, notices: DeletionNotices) -> tuple[str, str]:
    """The verification token and the public address."""
    reference, address = connection.credentials.get(notices.token), connection.settings.get(notices.address)
    if not reference or not address:
        _refuse()
    try:
        found = resolve_credentials(connection.code, {notices.token: reference}, installation.keys)
    except (SecretMissing, KeyRingError) as error:
        LOG.warning(Event.DELETION_NOTICE_DROPPED, extra={"connection": connection.code, "reason": str(error)})
        _refuse()
    return found[notices.token], address


def _refuse() -> NoReturn:
    raise not_found("connection", "No notices of deleted accounts are taken here.", "unknown_connection")


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False
