"""How long an order takes from its marketplace to the API, over a day at each kind's real quota; at Amazon also with its hints.

Orders come at random moments. Marketplaces, pipeline and API run on one clock that only waiting moves, so that a day passes in
a minute: a tick every five minutes, a look at the hints every thirty seconds, and so long as a run of Dagster takes to start
before it reads anything. What the work itself takes is not in it (some tenths of a second). An order is there when the API's
feed gives it. The reference is a reader that lists as often as the quota lets it, without any margin; with
hints, one that lists at the first moment at which the change is listed.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from unittest.mock import patch

import httpx

import warehouse.clock
from orders_api.app import create_app
from orders_pipeline.installation import Installation
from orders_pipeline.marketplaces.oauth import SHELF
from orders_pipeline.marketplaces.registry import KINDS, MARKETPLACES
from orders_pipeline.sandbox import application, server
from orders_pipeline.sandbox.engine import GenerateRequest
from orders_pipeline.sandbox.registry import SANDBOXES
from orders_pipeline.stages import hints, normalise, pull
from orders_pipeline.stages.pull_result import PullResult
from tests.benchmarks.filling import installed
from tests.benchmarks.measuring import Figure, Workshop, percentile
from tests.simulation.edges import Frozen
from tests.simulation.world import Place, account_of, channel_entry, connection_entry, secrets_of
from warehouse.ledger.settings import configuration, tokens
from warehouse.ledger.settings.document import read_document

TICK = timedelta(minutes=5)
LOOK = timedelta(seconds=30)
RUN_STARTS_AFTER = timedelta(seconds=6)
"""From the schedule's or the sensor's word to the first request of the run: the launch of a process, and its imports."""
BEGIN = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
FEED_PAGE = 500
SHARES = {"p50": 0.5, "p99": 0.99}

SHOWN_AFTER = {"amazon": timedelta(minutes=2)}
"""Kinds whose listing does not show the newest."""
LISTINGS = {"walmart": 3}
"""Kinds of which a reading of everything takes several listings: one for each kind of ship node."""
SELDOMEST = {"mirakl": timedelta(minutes=1)}
"""Kinds that want to be asked less often than their bucket allows: Mirakl prints once a minute for a poll of its listing."""


def measure(workshop: Workshop) -> list[Figure]:
    """The median and the slowest of a hundred at each kind."""
    figures: list[Figure] = []
    for kind in SANDBOXES:
        marketplace = MARKETPLACES[kind]
        figures += _measure(workshop, kind, is_told=False)
        if marketplace.hints is not None:
            figures += _measure(workshop, kind, is_told=True)
    return figures


def _measure(workshop: Workshop, kind: str, *, is_told: bool) -> list[Figure]:
    hours, hourly = workshop.sizes.hours, workshop.sizes.hourly
    how = f"{kind}, told of changes" if is_told else kind
    workshop.say(f"{hours} hours of {how}")
    with _market(workshop, kind, is_told=is_told) as market:
        seconds = market.live(Random(f"freshness:{kind}"), timedelta(hours=hours), hours * hourly)
    least = _least(kind, is_told=is_told)
    return [
        Figure(
            benchmark=f"order from marketplace to API, {how}, {name}",
            size=f"{len(seconds):,} in {hours} h",
            value=percentile(seconds, share),
            unit="s",
            reference=least(share),
            against="the least that the quota allows",
        )
        for name, share in SHARES.items()
    ]


def _least(kind: str, *, is_told: bool) -> Callable[[float], float]:
    """The share of orders → seconds after which a reader without margins has them."""
    marketplace = MARKETPLACES[kind]
    lag = SHOWN_AFTER.get(kind, timedelta()).total_seconds()
    if is_told:
        return lambda _share: lag
    rate = marketplace.rates[SANDBOXES[kind].listing]
    apart = max(LISTINGS.get(kind, 1) / rate.per_second, SELDOMEST.get(kind, timedelta()).total_seconds())
    return lambda share: lag + share * apart


class _Market:
    """A marketplace that orders come to, on the one clock, and who reads it."""

    def __init__(self, kind: str, *, is_told: bool) -> None:
        self.now = BEGIN
        self.sandbox = SANDBOXES[kind](clock=lambda: self.now)
        self._is_told = is_told
        self._selector = next(iter(self.sandbox.access().selectors), None)
        self._coming: list[datetime] = []
        self._made: dict[str, datetime] = {}
        self._seen: dict[str, datetime] = {}
        self._position = 0

    def connect(self, opened: Installation, url: str) -> str:
        """Connect an installation at real quota; returns a token of its API."""
        sandbox = self.sandbox
        entry = connection_entry(sandbox, url)
        entry["settings"]["rate_factor"] = 1.0
        access = sandbox.telling(url) if self._is_told else None
        if access is not None:
            variables = {name: f"BENCHMARK_{name.upper()}" for name in access.credentials}
            os.environ.update({variables[name]: value for name, value in access.credentials.items()})
            entry["settings"] |= access.settings
            entry["credentials"] |= {name: f"env:{variable}" for name, variable in variables.items()}
        os.environ.update(secrets_of([sandbox]))
        place = Place(sandbox.kind, sandbox.kind, self._selector, confirmation=False)
        document = {
            "connections": {account_of(sandbox.kind): entry},
            "channels": {place.code: channel_entry(place, sandbox)},
        }
        self._installation = Installation(opened.settings, opened.ledger, opened.keys, lambda: self.now, self._wait)
        with opened.ledger.write() as transaction:
            configuration.apply(transaction, read_document(json.dumps(document), KINDS), self.now)
            return tokens.create(transaction, "erp", [tokens.Scope.ORDERS_READ], None, None, self.now)[1]

    def read_by(self, ask: Callable[[Mapping[str, int]], Any]) -> None:
        """How the feed is asked."""
        self._ask = ask

    def live(self, chance: Random, length: timedelta, count: int) -> list[float]:
        """Let so many orders come at moments that chance has; returns the seconds after which each was in the API."""
        end = BEGIN + TICK + length
        self._run(pull.pull_all)
        self._coming = sorted(BEGIN + TICK + chance.random() * length for _ in range(count))
        tick = BEGIN + TICK
        while tick <= end + 2 * TICK:
            while self._is_told and self.now + LOOK < tick:
                self._pass_until(self.now + LOOK)
                if hints.look(self._installation):
                    self._run(hints.pull_hinted)
            self._pass_until(tick)
            self._run(pull.pull_all)
            tick += TICK
        made = self.sandbox.held(list(self._made))
        shown = {each.id for each in made if not each.is_hidden and self._selector in {None, each.selector}}
        late = shown - set(self._seen)
        assert not late, f"{len(late)} of {len(shown)} orders never came"
        return [(self._seen[each] - self._made[each]).total_seconds() for each in sorted(shown)]

    def _run(self, read: Callable[[Installation], list[PullResult]]) -> None:
        """A run: it starts, it reads, and the feed is asked as soon as it is done."""
        self._wait(RUN_STARTS_AFTER.total_seconds())
        failed = [each.error for each in read(self._installation) if each.error is not None]
        assert not failed, failed
        normalise.normalise_pending(self._installation)
        while True:
            page = self._ask({"after": self._position, "limit": FEED_PAGE})
            for each in page["orders"]:
                self._seen.setdefault(each["original_id"], self.now)
            self._position = page["next_after"]
            if not page["has_more"]:
                return

    def _wait(self, seconds: float) -> None:
        self._pass_until(self.now + timedelta(seconds=seconds))

    def _pass_until(self, moment: datetime) -> None:
        """Let time pass, and orders come meanwhile."""
        while self._coming and self._coming[0] <= moment:
            self.now = max(self.now, self._coming.pop(0))
            asked = GenerateRequest(1, days=1e-9, channel=self._selector, newest_seconds=0.0, mixed_share=0.0)
            with self.sandbox.lock:
                self._made |= dict.fromkeys(self.sandbox.generate(asked), self.now)
        self.now = max(self.now, moment)


@contextmanager
def _market(workshop: Workshop, kind: str, *, is_told: bool) -> Iterator[_Market]:
    """A marketplace, and an installation and its API that are connected to it."""
    market = _Market(kind, is_told=is_told)
    with (
        patch.object(warehouse.clock, "datetime", Frozen(lambda: market.now)),
        patch.object(SHELF, "_tokens", {}),
        installed(workshop.fresh(kind)) as opened,
        server.running(application.create_app(market.sandbox)) as url,
    ):
        token = market.connect(opened, url)
        with asyncio.Runner() as runner:
            transport = httpx.ASGITransport(create_app(opened.settings, lambda: market.now))
            headers = {"Authorization": f"Bearer {token}"}
            api = httpx.AsyncClient(transport=transport, base_url="http://api.example", headers=headers)

            def ask(parameters: Mapping[str, int]) -> Any:
                answer = runner.run(api.get("/v1/orders/changes", params=parameters))
                return answer.raise_for_status().json()

            market.read_by(ask)
            yield market
    refused = sum(entry.status == httpx.codes.TOO_MANY_REQUESTS for entry in market.sandbox.journal)
    assert refused == 0, f"{refused} calls were over the quota"
