"""Answering a request once: under the `Idempotency-Key` that a client gives, it is worked on once and answered as it was.

How keys are kept is in `warehouse.ledger.base.idempotency`; what the work is, is each resource's own.
"""

from __future__ import annotations

import hashlib
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Header
from pydantic import WithJsonSchema
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response

from orders_api.kit.addresses import address
from orders_api.kit.answers import NO_STORE
from orders_api.kit.bodies import JSON
from orders_api.kit.errors import Problem
from orders_api.schemas.vocabulary import REPORT_ID
from warehouse.ledger.base import idempotency
from warehouse.ledger.base.idempotency import KeptAnswer, KeyInFlight, KeyReused, RequestClaim
from warehouse.logs import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from starlette.requests import Request

    from warehouse.ledger.base.database import Ledger

LOG = logging.getLogger("orders_api")

KEY_HEADER = "Idempotency-Key"
KEY = re.compile(r"[\x20-\x7e]{1,255}")
REPLAYED = {"Idempotent-Replayed": "true"}

REPLAY = {
    "Idempotent-Replayed": {
        "description": "`true` when this is the answer of an earlier request with the same key.",
        "schema": {"type": "string", "enum": ["true"]},
        "example": "true",
    }
}
IdempotencyKeys = Annotated[
    list[str] | None,
    WithJsonSchema(
        {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$", "examples": [REPORT_ID]}
    ),
    Header(
        alias=KEY_HEADER,
        description="Your name of this request, up to 255 printable ASCII characters: sent again within 48 hours it is "
        "answered as it was, and worked on once.",
    ),
]
"""Every header of this name; one at most is right."""


@dataclass(frozen=True, slots=True)
class Once:
    """Where, for whom and when a request is answered once."""

    ledger: Ledger
    consumer: str
    now: datetime

    def answer(
        self,
        request: Request,
        body: bytes,
        keys: Sequence[str] | None,
        work: Callable[[RequestClaim | None], KeptAnswer],
        may_see: Callable[[KeptAnswer], bool],
    ) -> Response:
        """Do the work, or answer as its first time was answered.

        Args:
            request: What was asked.
            body: Its body, as it came.
            keys: Its headers.
            work: Given the claim of the key, with which it keeps its answer in the transaction that ends it; None: nothing is
                to be kept.
            may_see: Whether the token that asks may see a kept answer: an earlier one of its consumer may have had more
                rights.
        """
        key = _one_key(keys)
        if key is None:
            return _response(request, work(None))
        claimed = self._claim(key, _digest(request, body))
        if isinstance(claimed, KeptAnswer):
            if may_see(claimed):
                return _response(request, claimed, REPLAYED)
            return _response(request, work(None))  # another token's answer: this one is judged by its own rights
        try:
            return _response(request, work(claimed))
        except KeyInFlight:
            raise _in_flight() from None
        except Exception:
            self._release(claimed)
            raise

    def _claim(self, key: str, digest: bytes) -> RequestClaim | KeptAnswer:
        try:
            with self.ledger.write() as transaction:
                return idempotency.claim(transaction, self.consumer, key, digest, self.now)
        except KeyInFlight:
            raise _in_flight() from None
        except KeyReused:
            detail = "This key was given with another request: give each request a key of its own."
            raise Problem(422, "idempotency_key_reused", detail) from None

    def _release(self, claimed: RequestClaim) -> None:
        """Nothing was answered that would be worth keeping. Where even this fails, the claim runs out by itself."""
        try:
            with self.ledger.write() as transaction:
                idempotency.give_up(transaction, claimed)
        except SQLAlchemyError as error:
            about = {"consumer": claimed.consumer, "reason": type(error).__qualname__}
            LOG.warning(Event.KEY_NOT_GIVEN_UP, extra=about)


def _one_key(given: Sequence[str] | None) -> str | None:
    if not given:
        return None
    if len(given) > 1 or KEY.fullmatch(given[0]) is None:
        detail = f"{KEY_HEADER} must be given once, with 1 to 255 printable ASCII characters."
        raise Problem(400, "invalid_idempotency_key", detail)
    return given[0]


def _digest(request: Request, body: bytes) -> bytes:
    """Of the whole question: the same key belongs to the same one."""
    digest = hashlib.sha256(f"{request.url.path}?{request.url.query}\n".encode())
    for condition in request.headers.getlist("If-Match"):
        digest.update(f"If-Match: {condition}\n".encode())
    digest.update(body)
    return digest.digest()


def _in_flight() -> Problem:
    detail = "A request with this key is being worked on: try again in a moment."
    return Problem(409, "idempotency_key_in_flight", detail, headers={"Retry-After": "1"})


def _response(request: Request, answer: KeptAnswer, more: Mapping[str, str] | None = None) -> Response:
    headers = {**answer.headers, "Cache-Control": NO_STORE, **(more or {})}
    if "Location" in headers:  # kept without the prefix, which may change
        headers["Location"] = address(request, headers["Location"])
    return Response(answer.body, answer.status, headers, JSON)
