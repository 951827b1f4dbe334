"""Reporting shipments: up to a thousand at a time, each with an answer of its own, and once under one idempotency key.

What is accepted and what is refused is decided in `warehouse.ledger.shipping.shipments`, which files share;
reading shipments is in `shipments`.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import Query
from pydantic import Field
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.requests import Request
from starlette.responses import Response

from orders_api.kit.addresses import address
from orders_api.kit.answers import fresh_answer, render
from orders_api.kit.auth import Caller, may
from orders_api.kit.errors import Problem, describe, describe_header, message_of, not_found, place_in_body
from orders_api.kit.idempotency import REPLAY, IdempotencyKeys, Once
from orders_api.kit.parameters import ShipmentId
from orders_api.kit.queries import NoQuery
from orders_api.kit.records import fill, make
from orders_api.kit.routes import RawBody, ThisInstallation, resource
from orders_api.schemas.shipment_reports import (
    ReportedShipment,
    ShipmentFault,
    ShipmentRequest,
    ShipmentResult,
    ShipmentResults,
)
from orders_api.schemas.shipments import ShipmentRetry
from orders_api.schemas.vocabulary import SHIPMENT_ID, Faults
from warehouse.ledger.base import idempotency
from warehouse.ledger.base.idempotency import KeptAnswer, RequestClaim
from warehouse.ledger.book import order_ids
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.shipping import confirmations, shipment_queries
from warehouse.ledger.shipping.shipments import examine, report
from warehouse.order_states import ConfirmationStatus
from warehouse.shipment_reports import Item, ReportFault, ReportResult, Sender, ShipmentAnswer, ShipmentReport, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from orders_api.kit.installation import ApiInstallation

REPORTS_PER_COMMIT = 334
"""The write lock is held for less than 100 ms."""

router = resource("Shipments")

MayReport = Annotated[Caller, may(Scope.SHIPMENTS_WRITE)]


class ReportQuery(NoQuery):
    """How to report."""

    dry_run: bool = Field(False, description="Only check: nothing is recorded.", examples=[False])


LOCATION = describe_header("Location", "Where what was accepted is read.", f"/v1/shipments/{SHIPMENT_ID}")


@router.post(
    "/v1/shipments",
    summary="Report shipments",
    status_code=202,
    response_model=ShipmentResults,
    responses={
        **describe(400, 409),
        200: {
            "description": "Nothing has to be sent: all were known, or it was a dry run.",
            "model": ShipmentResults,
            "headers": REPLAY,
        },
        202: {"description": "At least one is accepted and committed; it is sent later.", "headers": LOCATION | REPLAY},
    },
)
def report_shipments(
    request: Request,
    caller: MayReport,
    installation: ThisInstallation,
    query: Annotated[ReportQuery, Query()],
    asked: ShipmentRequest,
    body: RawBody,
    keys: IdempotencyKeys = None,
) -> Response:
    """Say which packages have left, 1 to 1000 at a time; each one gets its own result, and a wrong one stops no other.

    What is answered is committed: the order's quantities and status follow at once, and the marketplace is told later. The
    same package again changes its tracking, and the same content again is `already_known`, so that a request whose answer
    got lost can simply be sent again. When every shipment is refused the answer is 422 `all_refused`.
    """
    given = _sort(asked)
    under_way = _Report(installation, caller, installation.clock(), query.dry_run)
    once = Once(installation.ledger, caller.consumer, under_way.now)
    return once.answer(request, body, keys, partial(_work, under_way, given), partial(_may_see, under_way))


@router.post(
    "/v1/shipments/{id}/retry",
    summary="Try a shipment again",
    status_code=202,
    response_model=ShipmentRetry,
    responses={
        **describe(404, 409),
        202: {"description": "It is tried again soon.", "headers": LOCATION},
    },
)
def retry_shipment(request: Request, caller: MayReport, installation: ThisInstallation, own_id: ShipmentId) -> Response:
    """Tell the marketplace again, now: for a shipment that was rejected or waits for another attempt.

    One that is in doubt is read back first, so that nothing is sent twice.
    """
    with installation.ledger.write() as transaction:
        status = None
        if shipment_queries.is_visible(transaction, own_id, caller.visible_channels):
            try:
                status = confirmations.retry(transaction, own_id, installation.clock())
            except confirmations.NotRetryable as error:
                raise Problem(409, error.code, error.message) from None
    if status is None:
        raise not_found("id", "There is no such shipment for this token.", "unknown_shipment")
    where = address(request, f"/v1/shipments/{own_id}")
    return fresh_answer({"id": own_id, "status": status}, 202, {"Location": where})


# -- reporting: what was given


@dataclass(frozen=True, slots=True)
class _Report:
    """One report under way: where, by whom, when, and whether it is only tried."""

    installation: ApiInstallation
    caller: Caller
    now: datetime
    is_dry_run: bool


@dataclass(frozen=True, slots=True)
class _Given:
    """One request: shipments that can be examined, by their place in it, and answers for those that cannot."""

    sound: Sequence[tuple[int, ShipmentReport]]
    unsound: Mapping[int, ShipmentAnswer]


def _sort(asked: ShipmentRequest) -> _Given:
    sound: list[tuple[int, ShipmentReport]] = []
    unsound: dict[int, ShipmentAnswer] = {}
    for index, each in enumerate(asked.shipments):
        if isinstance(each, Faults):
            unsound[index] = ShipmentAnswer(
                result=ReportResult.REFUSED, faults=tuple(_invalid(fault) for fault in each)
            )
        else:
            sound.append((index, _read(each)))
    return _Given(sound, unsound)


def _read(given: ReportedShipment) -> ShipmentReport:
    return make(ShipmentReport, given, items=tuple(make(Item, each) for each in given.items))


def _invalid(fault: Mapping[str, Any]) -> ReportFault:
    return ReportFault(code="invalid_field", field=place_in_body(fault), message=message_of(fault))


def _may_see(under_way: _Report, kept: KeptAnswer) -> bool:
    """Whether the token that asks may see every order of a kept answer: an earlier one of its consumer may have had more."""
    named = {each["order_id"] for each in orjson.loads(kept.body)["results"] if each["order_id"]}
    with under_way.installation.ledger.read() as transaction:
        return named <= order_ids.visible_ids(transaction, named, under_way.caller.visible_channels)


# -- reporting: the work


def _work(under_way: _Report, given: _Given, claimed: RequestClaim | None) -> KeptAnswer:
    """Examine, or take in, everything; the answer is kept with the last commit."""
    sender = Sender(
        consumer=under_way.caller.consumer,
        source=Source.API,
        report_id=str(uuid.uuid4()),
        visible_channels=under_way.caller.visible_channels,
    )
    if not given.sound:
        raise _all_refused(_results(given.unsound))
    if under_way.is_dry_run:
        return _examine(under_way, given, sender, claimed)
    return _take_in(under_way, given, sender, claimed)


def _examine(under_way: _Report, given: _Given, sender: Sender, claimed: RequestClaim | None) -> KeptAnswer:
    with under_way.installation.ledger.read() as transaction:
        answers = examine(transaction, sender, [each for _, each in given.sound], under_way.now)
    answer = _answer(sender.report_id, {**given.unsound, **_by_index(given.sound, answers)}, is_dry_run=True)
    if claimed is not None:
        with under_way.installation.ledger.write() as transaction:
            idempotency.keep(transaction, claimed, answer)
    return answer


def _take_in(under_way: _Report, given: _Given, sender: Sender, claimed: RequestClaim | None) -> KeptAnswer:
    answers = dict(given.unsound)
    *earlier, last = _chunks(given.sound)
    try:
        for chunk in earlier:
            with under_way.installation.ledger.write() as transaction:
                answers |= _take_chunk(transaction, under_way, sender, chunk)
        with under_way.installation.ledger.write() as transaction:
            answers |= _take_chunk(transaction, under_way, sender, last)
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


def _take_chunk(
    transaction: Transaction, under_way: _Report, sender: Sender, chunk: Sequence[tuple[int, ShipmentReport]]
) -> dict[int, ShipmentAnswer]:
    return _by_index(chunk, report(transaction, sender, [each for _, each in chunk], under_way.now))


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
    body = render({"report_id": report_id, "dry_run": is_dry_run, "held": held, "results": results})
    fresh = {
        each.shipment_id for each in answers.values() if each.result in {ReportResult.ACCEPTED, ReportResult.UPDATED}
    }
    if is_dry_run or not fresh:
        return KeptAnswer(200, {}, body)
    where = f"/v1/shipments/{fresh.pop()}" if len(fresh) == 1 else f"/v1/shipments?report_id={report_id}"
    return KeptAnswer(202, {"Location": where}, body)


def _results(answers: Mapping[int, ShipmentAnswer]) -> list[dict[str, Any]]:
    return [
        fill(
            ShipmentResult,
            answer,
            index=index,
            notices=[fill(ShipmentFault, each) for each in answer.notices],
            errors=[fill(ShipmentFault, each) for each in answer.faults],
        )
        for index, answer in sorted(answers.items())
    ]


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
