"""A session with Acme: its listing shows orders by the day they were made, and its headers say what is left of the quota."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import httpx

from orders_acme.declared import REQUIREMENTS, AcmeSettings
from orders_acme.payloads import raw_order
from orders_pipeline.marketplaces.errors import (
    InDoubt,
    MarketplaceError,
    Refused,
    Transient,
    judge_status,
    judge_unanswered,
)
from orders_pipeline.marketplaces.http import BoundedClient, http_date, quoted, reading, retry_after
from orders_pipeline.marketplaces.payloads import NotJson, elements, parse
from orders_pipeline.marketplaces.protocol import Finding, Page, Rate
from orders_pipeline.marketplaces.receipts import SENT, PackageVerdict, Turn, in_turn, no_good_answer, receipt
from orders_pipeline.marketplaces.settings import read_settings
from orders_pipeline.marketplaces.tls import secure
from warehouse.clock import iso, utc_now
from warehouse.shipments import AttemptOutcome, Receipt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from orders_pipeline.marketplaces.protocol import ConnectionContext, Parcel, Quota, Window
    from warehouse.shipments import Requirements

RATES = {name: Rate(10.0, 100) for name in ("list", "get", "ship", "accept", "cancel", "answer")}


def connect(context: ConnectionContext, quota: Quota, max_pages: int) -> AcmeClient:
    """Open a client; nothing is sent yet."""
    return AcmeClient(context, quota, max_pages)


class AcmeClient:
    """A session with one seller account at Acme."""

    def __init__(self, context: ConnectionContext, quota: Quota, max_pages: int) -> None:
        self._settings = read_settings(AcmeSettings, context.settings)
        self._secrets = dict(context.credentials)
        self._quota, self._max_pages, self._selectors = quota, max_pages, context.selectors
        headers = {"X-Api-Key": self._secrets.get("api_key", "")}
        if "signing_key" in self._secrets:
            headers["X-Signed-By"] = self._secrets["signing_key"]
        self._http = BoundedClient(self._settings, secure(context.endpoint or ""), headers)
        self._server_time: datetime | None = None

    @property
    def degraded(self) -> Sequence[str]:
        return ()

    def pull(self, window: Window) -> Iterator[Page]:
        seen = 0
        for _ in range(self._max_pages):
            query = {"since": iso(window.since), "until": iso(window.until), "offset": seen}
            response = self._read("list", "/orders", {**query, "limit": self._settings.page_size})
            rows = elements(response.content, ("orders",))
            if rows is None:
                raise Transient("unreadable_answer", "list answered without orders")
            yield Page([raw_order(*row) for row in rows], self._server_time)
            seen += len(rows)
            if seen >= parse(response.content).get("total", 0):
                return
        raise Transient("truncated", "the listing is longer than the page limit")

    def fetch(self, original_ids: Sequence[str]) -> Iterator[Page]:
        for each in original_ids:
            try:
                response = self._read("get", f"/orders/{each}", {})
            except Refused:
                continue
            yield Page([raw_order(parse(response.content), response.content)], self._server_time)

    read_back = fetch

    def confirm(self, parcels: Sequence[Parcel]) -> Sequence[Receipt]:
        return in_turn([Turn("ship", [each], self._ship) for each in parcels])

    def requirements(self) -> Requirements:
        return REQUIREMENTS

    def accept(self, original_id: str, decisions: Mapping[str, bool]) -> None:
        self._change("accept", f"/orders/{original_id}/accept", {"lines": list(decisions)})

    def cancel(self, original_id: str, quantities: Mapping[str, int], reason: str | None) -> None:
        self._change("cancel", f"/orders/{original_id}/cancel", {"reason": reason, "lines": list(quantities)})

    def decide_cancellation(self, original_id: str, requester: str, is_accepted: bool, reason: str | None) -> None:  # noqa: FBT001 - the contract's
        body = {"by": requester, "accepted": is_accepted, "reason": reason}
        self._change("answer", f"/orders/{original_id}/request", body)

    def test(self) -> Sequence[Finding]:
        try:
            self._read("list", "/orders", {"limit": 1})
        except MarketplaceError as error:
            return [Finding("credential", is_ok=False, message=error.message, hint=error.hint)]
        return [Finding("credential", is_ok=True, message="the key is accepted")]

    def server_time(self) -> datetime | None:
        return self._server_time

    def close(self) -> None:
        self._http.close()

    def _read(self, operation: str, path: str, query: Mapping[str, Any]) -> httpx.Response:
        self._quota(operation)
        with reading(operation):
            response = self._http.get(path, params=dict(query))
        self._note(operation, response)
        if response.status_code == httpx.codes.NOT_FOUND:
            raise Refused("order_not_found", "there is no such order")
        error = judge_status(response.status_code, operation, self._said(response), retry_after(response, utc_now()))
        if error is not None:
            raise error
        try:
            is_object = isinstance(parse(response.content), dict)
        except NotJson:
            is_object = False
        if not is_object:
            raise Transient("unreadable_answer", f"{operation} answered with no JSON object")
        return response

    def _send(self, operation: str, path: str, body: Mapping[str, Any]) -> httpx.Response:
        self._quota(operation)
        try:
            response = self._http.post(path, json=dict(body))
        except httpx.RequestError as error:
            raise judge_unanswered(error, operation) from error
        self._note(operation, response)
        return response

    def _change(self, operation: str, path: str, body: Mapping[str, Any]) -> None:
        response = self._send(operation, path, body)
        said = self._said(response)
        if response.status_code == httpx.codes.CONFLICT and operation == "accept":
            raise InDoubt("order_state", f"{operation}: {said}", "the order is read again")
        if response.status_code in {httpx.codes.CONFLICT, httpx.codes.NOT_FOUND}:
            raise Refused("cancellation_refused", f"{operation}: {said}", "read the order again")
        error = judge_status(response.status_code, operation, said, retry_after(response, utc_now()))
        if isinstance(error, Transient):
            raise InDoubt("unanswered", error.message, error.hint)
        if error is not None:
            raise error

    def _ship(self, parcels: Sequence[Parcel]) -> Sequence[Receipt]:
        (parcel,) = parcels
        place = parcel.ship_from_place
        body = {
            "reference": parcel.reference,
            "carrier": parcel.carrier_code or parcel.carrier_name,
            "tracking": parcel.tracking_number,
            "lines": dict(parcel.quantities),
            "from": None if place is None else place.model_dump(),
            "method": parcel.ordered_method or parcel.shipping_method,
            "return_carrier": parcel.return_carrier,
            "override": parcel.overrides_cancellation,
        }
        response = self._send("ship", f"/orders/{parcel.original_id}/shipments", body)
        return [receipt(parcel, "ship", self._verdict(response))]

    def _verdict(self, response: httpx.Response) -> PackageVerdict:
        said, status = self._said(response), response.status_code
        if status == httpx.codes.CREATED:
            return SENT
        if status == httpx.codes.NOT_FOUND:
            return PackageVerdict(
                AttemptOutcome.REJECTED, "order_not_found", said, "compare the connection's seller account"
            )
        if status == httpx.codes.CONFLICT:
            return PackageVerdict(AttemptOutcome.REJECTED, "refused", said, "read the order again")
        error = judge_status(status, "ship", said, retry_after(response, utc_now()))
        if error is None or isinstance(error, Transient):
            return no_good_answer(status, "ship", said)
        raise error

    def _said(self, response: httpx.Response) -> str:
        try:
            value = parse(response.content)
        except NotJson:
            return ""
        return quoted(value.get("error") if isinstance(value, dict) else None, self._secrets.values())

    def _note(self, operation: str, response: httpx.Response) -> None:
        self._server_time = http_date(response.headers.get("date")) or self._server_time
        left, refill = response.headers.get("x-tokens-left"), response.headers.get("x-refill-at")
        if left is not None:
            self._quota.learn(operation, float(left), http_date(refill))
