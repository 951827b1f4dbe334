"""Fixtures of the sandbox's tests: a clock that stands still until it is told to move, and callers over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from orders_pipeline.sandbox.amazon import state as amazon
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.mirakl import state as mirakl

START = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
ALL_PARTS = (
    "FULFILLMENT,BUYER,RECIPIENT,PROCEEDS,EXPENSE,PROMOTION,CANCELLATION,PACKAGES,TAX,PAYMENT,FULFILLMENT_ORDERS"
)
ORDERS = "/orders/2026-01-01/orders"


class InProcess(httpx.BaseTransport):
    """Calls an application without a server: a hundred times quicker than starting one per test."""

    def __init__(self, app: FastAPI) -> None:
        """Keep a loop for all calls."""
        self._asgi = httpx.ASGITransport(app=app)
        self._loop = asyncio.new_event_loop()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Work one request off."""
        return self._loop.run_until_complete(self._answer(request))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = await self._asgi.handle_async_request(request)
        return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())

    def close(self) -> None:
        """End the loop."""
        self._loop.close()


class StandingClock:
    """Time that moves only when a test says so."""

    def __init__(self) -> None:
        """Start at a fixed moment."""
        self.now = START

    def __call__(self) -> datetime:
        """Return the present time."""
        return self.now

    def tick(self, **duration: float) -> None:
        """Let time pass."""
        self.now += timedelta(**duration)


class Seller:
    """A caller of the Amazon stand-in with good credentials."""

    def __init__(self, http: httpx.Client, refresh_token: str = amazon.REFRESH_TOKEN) -> None:
        """Fetch an access token."""
        self.http = http
        self.refresh_token = refresh_token
        self.headers: dict[str, str] = {}
        self.sign_in()

    def token(self, **changes: str) -> httpx.Response:
        """Ask for an access token."""
        form = {
            "grant_type": "refresh_token",
            "client_id": amazon.CLIENT_ID,
            "client_secret": amazon.CLIENT_SECRET,
            "refresh_token": self.refresh_token,
            **changes,
        }
        return self.http.post("/auth/o2/token", data=form)

    def sign_in(self) -> None:
        """Use a fresh access token from now on."""
        self.headers = {"x-amz-access-token": self.token().json()["access_token"]}

    def search(self, **query: Any) -> httpx.Response:
        """Search orders; by default everything of the last 30 days, with all parts."""
        query = {"includedData": ALL_PARTS, **query}
        if not any(name in query for name in ("createdAfter", "lastUpdatedAfter")):
            query["lastUpdatedAfter"] = "2026-10-01T00:00:00Z"
        wanted = {name: value for name, value in query.items() if value is not None}
        return self.http.get(ORDERS, params=wanted, headers=self.headers)

    def order(self, order_id: str, included: str | None = ALL_PARTS) -> httpx.Response:
        """Read one order."""
        query = {} if included is None else {"includedData": included}
        return self.http.get(f"{ORDERS}/{order_id}", params=query, headers=self.headers)

    def confirm(self, order_id: str, body: Any) -> httpx.Response:
        """Confirm a shipment."""
        return self.http.post(f"/orders/v0/orders/{order_id}/shipmentConfirmation", json=body, headers=self.headers)


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def amazon_state(clock: StandingClock) -> amazon.AmazonSandbox:
    return amazon.AmazonSandbox(seed=7, rate_factor=1.0, clock=clock)


@pytest.fixture
def amazon_http(amazon_state: amazon.AmazonSandbox) -> Iterator[httpx.Client]:
    with httpx.Client(transport=InProcess(create_app(amazon_state)), base_url="http://sandbox") as http:
        yield http


@pytest.fixture
def seller(amazon_http: httpx.Client) -> Seller:
    return Seller(amazon_http)


@pytest.fixture
def mirakl_state(clock: StandingClock) -> mirakl.MiraklSandbox:
    return mirakl.MiraklSandbox(seed=7, rate_factor=float("inf"), clock=clock)


@pytest.fixture
def mirakl_http(mirakl_state: mirakl.MiraklSandbox) -> Iterator[httpx.Client]:
    headers = {"Authorization": mirakl.API_KEY}
    transport = InProcess(create_app(mirakl_state))
    with httpx.Client(transport=transport, base_url="http://sandbox", headers=headers) as http:
        yield http
