"""Reporting shipments: up to a thousand at a time, each with an answer of its own, and once under one idempotency key.

What is accepted and what is refused is decided in `warehouse.ledger.shipping.shipments`, which files share;
reading shipments is in `shipments`.
"""

from __future__ import annotations

import hashlib
import logging
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.requests import Request
from starlette.responses import Response

from orders_api.kit.addresses import address
from orders_api.kit.answers import NO_STORE, rendered
from orders_api.kit.bodies import JSON
from orders_api.kit.errors import Problem, describe, from_validation, message_of, not_found, place_in_body
from orders_api.kit.reading import NoQuery, path_id
from orders_api.kit.writing import Writing, carry_out, carry_out_with_body, described_write
from orders_api.schemas.shipment_reports import ReportedShipment, ShipmentRequest, ShipmentResults
from orders_api.schemas.shipments import ShipmentRetry
from orders_api.schemas.vocabulary import REPORT_ID, SHIPMENT_ID
from warehouse.ledger.base import idempotency
from warehouse.ledger.base.idempotency import KeptAnswer, KeyInFlight, KeyReused, RequestClaim
from warehouse.ledger.book import order_queries
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.shipping import confirmations, shipment_queries
from warehouse.ledger.shipping.shipments import examine, report
from warehouse.logs import Event
from warehouse.orders import ConfirmationStatus
from warehouse.shipment_reports import Fault, Item, ReportResult, Sender, ShipmentAnswer, ShipmentReport, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection as Transaction

LOG = logging.getLogger("orders_api")
REPORTS_PER_COMMIT = 150
"""The write lock is held for less than 100 ms."""

KEY_HEADER = "Idempotency-Key"
KEY = re.compile(r"[\x20-\x7e]{1,255}")
REPLAYED = {"Idempotent-Replayed": "true"}

router = APIRouter(tags=["Shipments"])


class _Body(BaseModel):
    """The request as far as it is checked as a whole; each shipment is checked on its own."""

    model_config = ConfigDict(extra="forbid")

    shipments: list[Any] = Field(min_length=1, max_length=1000)


class ReportQuery(BaseModel):
    """How to report."""

    model_config = ConfigDict(extra="forbid")

    dry_run: bool = Field(False, description="Only check: nothing is recorded.", examples=[False])


LOCATION = {
    "Location": {
        "description": "Where what was accepted is read.",
        "schema": {"type": "string"},
        "example": f"/v1/shipments/{SHIPMENT_ID}",
    }
}
REPLAY = {
    "Idempotent-Replayed": {
        "description": "`true` when this is the answer of an earlier request with the same key.",
        "schema": {"type": "string", "enum": ["true"]},
        "example": "true",
    }
}
SHIPMENT_ID_PARAMETER = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "Id of the shipment.",
    "example": SHIPMENT_ID,
    "schema": {"type": "string"},
}
KEY_PARAMETER = {
    "name": KEY_HEADER,
    "in": "header",
    "required": False,
    "description": "Your name of this request, up to 255 printable ASCII characters: sent again within 48 hours it is "
    "answered as it was, and worked on once.",
    "example": REPORT_ID,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}


@router.post(
    "/v1/shipments",
    operation_id="report_shipments",
    summary="Report shipments",
    status_code=202,
    response_model=ShipmentResults,
    responses={
        **describe(400, 401, 403, 409, 413, 415, 422, 429, 500, 503),
        200: {
            "description": "Nothing has to be sent: all were known, or it was a dry run.",
            "model": ShipmentResults,
            "headers": REPLAY,
        },
        202: {"description": "At least one is accepted and committed; it is sent later.", "headers": LOCATION | REPLAY},
    },
    openapi_extra=described_write(Scope.SHIPMENTS_WRITE, ReportQuery, ShipmentRequest, (KEY_PARAMETER,)),
)
async def report_shipments(request: Request) -> Response:
    """Say which packages have left, 1 to 1000 at a time; each one gets its own result, and a wrong one stops no other.

    What is answered is committed: the order's quantities and status follow at once, and the marketplace is told later. The
    same package again changes its tracking, and the same content again is `already_known`, so that a request whose answer
    got lost can simply be sent again. When every shipment is refused the answer is 422 `all_refused`.
    """
    return await carry_out_with_body(request, Scope.SHIPMENTS_WRITE, ReportQuery, _reported)


@router.post(
    "/v1/shipments/{id}/retry",  # noqa: FAST003 - the id is read from the request
    operation_id="retry_shipment",
    summary="Try a shipment again",
    status_code=202,
    response_model=ShipmentRetry,
    responses={
        **describe(401, 403, 404, 409, 422, 429, 500, 503),
        202: {"description": "It is tried again soon.", "headers": LOCATION},
    },
    openapi_extra=described_write(Scope.SHIPMENTS_WRITE, NoQuery, parameters=(SHIPMENT_ID_PARAMETER,)),
)
async def retry_shipment(request: Request) -> Response:
    """Tell the marketplace again, now: for a shipment that was rejected or waits for another attempt.

    One that is in doubt is read back first, so that nothing is sent twice.
    """
    return await carry_out(request, Scope.SHIPMENTS_WRITE, NoQuery, _retried)


# -- retrying


def _retried(writing: Writing[NoQuery]) -> Response:
    own_id = path_id(writing.request)
    with writing.installation.ledger.write() as transaction:
        status = None
        if own_id and shipment_queries.is_visible(transaction, own_id, writing.caller.visible_channels):
            try:
                status = confirmations.retry(transaction, own_id, writing.now)
            except confirmations.NotRetryable as error:
                raise Problem(409, error.code, error.message) from None
    if status is None:
        raise not_found("id", "There is no such shipment for this token.", "unknown_shipment")
    headers = {"Location": address(writing.request, f"/v1/shipments/{own_id}"), "Cache-Control": NO_STORE}
    return Response(rendered({"id": own_id, "status": status}), 202, headers, JSON)


# -- reporting: what was given


@dataclass(frozen=True, slots=True)
class _Given:
    """One request: shipments that can be examined, by their place in it, and answers for those that cannot."""

    sound: Sequence[tuple[int, ShipmentReport]]
    unsound: Mapping[int, ShipmentAnswer]


def _reported(writing: Writing[ReportQuery]) -> Response:
    given = _given(writing.body)
    key = _key(writing.request)
    if key is None:
        return _response(writing.request, _worked_on(writing, given, None))
    claimed = _claimed(writing, key)
    if isinstance(claimed, KeptAnswer):
        if _may_see(writing, claimed):
            return _response(writing.request, claimed, REPLAYED)
        # another token's answer: this one is judged by its own rights
        return _response(writing.request, _worked_on(writing, given, None))
    try:
        return _response(writing.request, _worked_on(writing, given, claimed))
    except KeyInFlight:
        raise _in_flight() from None
    except Exception:
        _release(writing, claimed)
        raise


def _given(body: bytes) -> _Given:
    try:
        asked = _Body.model_validate_json(body)
    except ValidationError as error:
        raise from_validation("body", error.errors(include_input=False, include_url=False)) from None
    sound: list[tuple[int, ShipmentReport]] = []
    unsound: dict[int, ShipmentAnswer] = {}
    for index, each in enumerate(asked.shipments):
        try:
            sound.append((index, _report(ReportedShipment.model_validate(each))))
        except ValidationError as error:
            faults = error.errors(include_input=False, include_url=False, include_context=False)
            unsound[index] = ShipmentAnswer(
                result=ReportResult.REFUSED, faults=tuple(_invalid(fault) for fault in faults)
            )
    return _Given(sound, unsound)


def _report(given: ReportedShipment) -> ShipmentReport:
    items = tuple(Item(**{name: getattr(each, name) for name in Item.__slots__}) for each in given.items)
    return ShipmentReport(**{name: getattr(given, name) for name in _PLAIN_MEMBERS}, items=items)


_PLAIN_MEMBERS = tuple(name for name in ShipmentReport.__slots__ if name != "items")


def _invalid(fault: Mapping[str, Any]) -> Fault:
    return Fault(code="invalid_field", field=place_in_body(fault), message=message_of(fault))


# -- reporting: once under one key


def _key(request: Request) -> str | None:
    given = request.headers.getlist(KEY_HEADER)
    if not given:
        return None
    if len(given) > 1 or KEY.fullmatch(given[0]) is None:
        detail = f"{KEY_HEADER} must be given once, with 1 to 255 printable ASCII characters."
        raise Problem(400, "invalid_idempotency_key", detail)
    return given[0]


def _claimed(writing: Writing[ReportQuery], key: str) -> RequestClaim | KeptAnswer:
    digest = hashlib.sha256(f"{writing.request.url.path}?{writing.request.url.query}\n".encode())
    digest.update(writing.body)
    try:
        with writing.installation.ledger.write() as transaction:
            return idempotency.claim(transaction, writing.caller.consumer, key, digest.digest(), writing.now)
    except KeyInFlight:
        raise _in_flight() from None
    except KeyReused:
        detail = "This key was given with another request: give each request a key of its own."
        raise Problem(422, "idempotency_key_reused", detail) from None


def _may_see(writing: Writing[ReportQuery], kept: KeptAnswer) -> bool:
    """Whether the token that asks may see every order of a kept answer: an earlier one of its consumer may have had more."""
    named = {each["order_id"] for each in orjson.loads(kept.body)["results"] if each["order_id"]}
    with writing.installation.ledger.read() as transaction:
        return named <= order_queries.visible_ids(transaction, named, writing.caller.visible_channels)


def _in_flight() -> Problem:
    detail = "A request with this key is being worked on: try again in a moment."
    return Problem(409, "idempotency_key_in_flight", detail, headers={"Retry-After": "1"})


def _release(writing: Writing[ReportQuery], claimed: RequestClaim) -> None:
    """Nothing was answered that would be worth keeping. Where even this fails, the claim runs out by itself."""
    try:
        with writing.installation.ledger.write() as transaction:
            idempotency.give_up(transaction, claimed)
    except SQLAlchemyError as error:
        LOG.warning(Event.KEY_NOT_GIVEN_UP, extra={"consumer": claimed.consumer, "reason": type(error).__qualname__})


# -- reporting: the work


def _worked_on(writing: Writing[ReportQuery], given: _Given, claimed: RequestClaim | None) -> KeptAnswer:
    """Examine, or take in, everything; the answer is kept with the last commit."""
    sender = Sender(
        consumer=writing.caller.consumer,
        source=Source.API,
        report_id=str(uuid.uuid4()),
        visible_channels=writing.caller.visible_channels,
    )
    if not given.sound:
        raise _all_refused(_results(given.unsound))
    if writing.query.dry_run:
        return _examined(writing, given, sender, claimed)
    return _taken_in(writing, given, sender, claimed)


def _examined(writing: Writing[ReportQuery], given: _Given, sender: Sender, claimed: RequestClaim | None) -> KeptAnswer:
    with writing.installation.ledger.read() as transaction:
        answers = examine(transaction, sender, [each for _, each in given.sound], writing.now)
    answer = _answer(sender.report_id, {**given.unsound, **_by_index(given.sound, answers)}, is_dry_run=True)
    if claimed is not None:
        with writing.installation.ledger.write() as transaction:
            idempotency.keep(transaction, claimed, answer)
    return answer


def _taken_in(writing: Writing[ReportQuery], given: _Given, sender: Sender, claimed: RequestClaim | None) -> KeptAnswer:
    answers = dict(given.unsound)
    *earlier, last = _chunks(given.sound)
    try:
        for chunk in earlier:
            with writing.installation.ledger.write() as transaction:
                answers |= _chunk_taken_in(transaction, writing, sender, chunk)
        with writing.installation.ledger.write() as transaction:
            answers |= _chunk_taken_in(transaction, writing, sender, last)
            answer = _answer(sender.report_id, answers, is_dry_run=False)
            if claimed is not None:
                idempotency.keep(transaction, claimed, answer)
    except (OperationalError, PoolTimeout):
        if len(answers) == len(given.unsound):
            raise
        detail = (
            "The ledger became busy in the middle: a part of the shipments is recorded. Send the same request again: what is "
            "recorded is answered as already known."
        )
        raise Problem(503, "partly_recorded", detail, headers={"Retry-After": "5"}) from None
    return answer


def _chunks(sound: Sequence[tuple[int, ShipmentReport]]) -> Iterator[Sequence[tuple[int, ShipmentReport]]]:
    for start in range(0, len(sound), REPORTS_PER_COMMIT):
        yield sound[start : start + REPORTS_PER_COMMIT]


def _chunk_taken_in(
    transaction: Transaction, writing: Writing[ReportQuery], sender: Sender, chunk: Sequence[tuple[int, ShipmentReport]]
) -> dict[int, ShipmentAnswer]:
    return _by_index(chunk, report(transaction, sender, [each for _, each in chunk], writing.now))


def _by_index(
    chunk: Sequence[tuple[int, ShipmentReport]], answers: Sequence[ShipmentAnswer]
) -> dict[int, ShipmentAnswer]:
    return {index: answer for (index, _), answer in zip(chunk, answers, strict=True)}


# -- reporting: the answer


def _answer(report_id: str, answers: Mapping[int, ShipmentAnswer], *, is_dry_run: bool) -> KeptAnswer:
    """The answer to a request of which something is not refused.

    Raises:
        Problem: 422 `all_refused`.
    """
    results = _results(answers)
    if all(each.result is ReportResult.REFUSED for each in answers.values()):
        raise _all_refused(results)
    held = sum(each.status == ConfirmationStatus.HELD for each in answers.values())
    body = rendered({"report_id": report_id, "dry_run": is_dry_run, "held": held, "results": results})
    fresh = {
        each.shipment_id for each in answers.values() if each.result in {ReportResult.ACCEPTED, ReportResult.UPDATED}
    }
    if is_dry_run or not fresh:
        return KeptAnswer(200, {}, body)
    where = f"/v1/shipments/{fresh.pop()}" if len(fresh) == 1 else f"/v1/shipments?report_id={report_id}"
    return KeptAnswer(202, {"Location": where}, body)


def _results(answers: Mapping[int, ShipmentAnswer]) -> list[dict[str, Any]]:
    return [
        {
            "index": index,
            "result": answer.result,
            "shipment_id": answer.shipment_id,
            "order_id": answer.order_id,
            "status": answer.status,
            "held_reason": answer.held_reason,
            "notices": [_fault(each) for each in answer.notices],
            "errors": [_fault(each) for each in answer.faults],
        }
        for index, answer in sorted(answers.items())
    ]


def _fault(fault: Fault) -> dict[str, str]:
    return {"code": fault.code, "field": fault.field, "message": fault.message}


def _all_refused(results: Sequence[Mapping[str, Any]]) -> Problem:
    errors = [
        {
            "pointer": f"/shipments/{each['index']}" + (f"/{fault['field']}" if fault["field"] else ""),
            "code": fault["code"],
            "message": fault["message"],
        }
        for each in results
        for fault in each["errors"]
    ]
    detail = "No shipment was accepted; nothing was recorded. See errors."
    return Problem(422, "all_refused", detail, errors=errors, members={"results": results})


def _response(request: Request, answer: KeptAnswer, more: Mapping[str, str] | None = None) -> Response:
    headers = {**answer.headers, "Cache-Control": NO_STORE, **(more or {})}
    if "Location" in headers:  # kept without the prefix, which may change
        headers["Location"] = address(request, headers["Location"])
    return Response(answer.body, answer.status, headers, JSON)
