"""Two marketplaces over real HTTP and an installation connected to them, all on one clock that stands still.

Shared with `tests/faults` through that folder's own conftest.
"""

from __future__ import annotations

import contextlib
import copy
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import psycopg
import pytest

from orders_pipeline.installation import Installation
from orders_pipeline.resources import InstallationSource
from orders_pipeline.sandbox import clock as sandbox_clock
from orders_pipeline.sandbox import server
from orders_pipeline.sandbox.amazon import state as amazon
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.engine import GenerateRequest
from orders_pipeline.sandbox.mirakl import state as mirakl
from orders_pipeline.stages import normalise, pull
from tests.conftest import DATABASES, START, TEST_KEYS, MovableClock, copied_database
from warehouse.lake.lake import open_lake
from warehouse.lake.publishing import publish
from warehouse.ledger.base.database import Ledger, open_ledger
from warehouse.ledger.settings import channels
from warehouse.privacy import open_key_ring
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

FRANCE, GERMANY = "A13V1IB3VIYZZH", "A1PA6795UKMFR9"
CREDENTIALS = {
    "TEST_AMAZON_CLIENT_ID": amazon.CLIENT_ID,
    "TEST_AMAZON_CLIENT_SECRET": amazon.CLIENT_SECRET,
    "TEST_AMAZON_REFRESH_TOKEN": amazon.REFRESH_TOKEN,
    "TEST_MIRAKL_API_KEY": mirakl.API_KEY,
}
GENEROUS = 1_000_000.0
"""Our own quota is multiplied by it: these tests are not about waiting."""

SETTLED_SECONDS = 900.0
"""Made-up orders are at least this old, so that the marketplaces' own lag hides none."""


@dataclass(frozen=True)
class Marketplaces:
    """Two marketplaces and where they answer."""

    amazon: amazon.AmazonSandbox
    mirakl: mirakl.MiraklSandbox
    amazon_url: str
    mirakl_url: str

    def generate(self, orders: int, days: float = 0.9, seed: int = 1) -> None:
        """Make up so many orders at each of them, for the channels that are connected."""
        for number, marketplace in enumerate((FRANCE, GERMANY)):
            share = orders // 2 + (orders % 2) * number
            self.amazon.generate(
                GenerateRequest(
                    share, seed=seed + number, days=days, channel=marketplace, newest_seconds=SETTLED_SECONDS
                )
            )
        self.mirakl.generate(
            GenerateRequest(orders, seed=seed + 7, days=days, account="2001", newest_seconds=SETTLED_SECONDS)
        )

    def statuses(self) -> dict[tuple[str, str], str]:
        """The truth: (connection, original id) → the marketplace's own status."""
        held = {("amazon_eu", each["id"]): each["status"] for each in self.amazon.truth()}
        return held | {("mirakl_shop", each["id"]): each["status"] for each in self.mirakl.truth()}

    def connect(self, ledger: Ledger, now: datetime) -> None:
        """Connect an installation: two Amazon channels of one account, one Mirakl channel."""
        with ledger.write() as transaction:
            for connection in self._connections():
                channels.save_connection(transaction, connection, now)
            for code, owner, selector in (
                ("amazon_fr", "amazon_eu", FRANCE),
                ("amazon_de", "amazon_eu", GERMANY),
                ("mirakl", "mirakl_shop", None),
            ):
                channel = channels.ConfiguredChannel(
                    code=code, label=code, marketplace=code, connection=owner, selector=selector
                )
                channels.save_channel(transaction, channel, now)

    def _connections(self) -> list[channels.Connection]:
        return [
            channels.Connection(
                code="amazon_eu",
                kind="amazon",
                label="Amazon",
                region="eu",
                endpoint=self.amazon_url,
                settings={"rate_factor": GENEROUS},
                credentials={
                    "client_id": "env:TEST_AMAZON_CLIENT_ID",
                    "client_secret": "env:TEST_AMAZON_CLIENT_SECRET",
                    "refresh_token": "env:TEST_AMAZON_REFRESH_TOKEN",
                },
            ),
            channels.Connection(
                code="mirakl_shop",
                kind="mirakl",
                label="Mirakl",
                endpoint=self.mirakl_url,
                settings={"rate_factor": GENEROUS},
                credentials={"api_key": "env:TEST_MIRAKL_API_KEY"},
            ),
        ]


@contextlib.contextmanager
def serving(clock: Callable[[], datetime]) -> Iterator[Marketplaces]:
    """Both marketplaces, without rate limits, on free ports."""
    first = amazon.AmazonSandbox(seed=1, rate_factor=math.inf, clock=clock)
    second = mirakl.MiraklSandbox(seed=1, rate_factor=math.inf, clock=clock)
    with server.running(create_app(first)) as one, server.running(create_app(second)) as other:
        yield Marketplaces(first, second, one, other)


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def marketplaces(clock, credentials) -> Iterator[Marketplaces]:
    with serving(clock) as both:
        yield both


@pytest.fixture
def open_installation(clock, open_new_ledger) -> Iterator[Callable[[Settings], Installation]]:
    """Open installations on the test's clock; waiting for quota moves it."""
    opened: list[Installation] = []

    def open_one(settings: Settings) -> Installation:
        installation = Installation(
            settings,
            open_new_ledger(settings),
            open_key_ring(settings),
            clock,
            lambda seconds: clock.advance(seconds=seconds),
        )
        opened.append(installation)
        return installation

    yield open_one
    for each in opened:
        each.ledger.close()


@pytest.fixture
def installation(settings, open_installation) -> Installation:
    return open_installation(settings)


@pytest.fixture
def connected(installation, marketplaces, clock) -> Installation:
    """An installation on SQLite connected to both marketplaces."""
    marketplaces.connect(installation.ledger, clock())
    return installation


def _fill(settings: Settings) -> tuple[amazon.AmazonSandbox, mirakl.MiraklSandbox]:
    """Fill an installation's book and lake; returns the marketplaces as they stand then, on a clock that stands at START."""
    clock = MovableClock()
    with (
        pytest.MonkeyPatch.context() as environment,
        contextlib.closing(open_ledger(settings)) as ledger,
        serving(clock) as marketplaces,
    ):
        for name, value in CREDENTIALS.items():
            environment.setenv(name, value)
        marketplaces.connect(ledger, clock())
        marketplaces.generate(60)
        installation = Installation(settings, ledger, open_key_ring(settings), clock)
        pull.pull_all(installation)
        normalise.normalise_pending(installation)
        with open_lake(settings) as lake:
            publish(ledger, lake, clock())
    assert clock() == START
    return marketplaces.amazon, marketplaces.mirakl


@pytest.fixture(scope="session")
def filled_template(new_sqlite_ledger, new_lake, tmp_path_factory):
    """To be copied: the folder of an installation with the orders of both marketplaces, and these marketplaces."""
    home = tmp_path_factory.mktemp("filled")
    shutil.copy(new_sqlite_ledger, home)
    shutil.copytree(new_lake, home / "lake")
    return home, *_fill(Settings(_env_file=None, home=home, keys=TEST_KEYS))


@pytest.fixture(scope="session")
def filled_database(postgresql_server, new_postgresql_ledger, tmp_path_factory) -> tuple[str, Path]:
    """The same on PostgreSQL: the name of its database, and the folder of what is not in there."""
    name, home = "orders_filled", tmp_path_factory.mktemp("filled")
    with psycopg.connect(f"{postgresql_server}/postgres", autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{new_postgresql_ledger}"')
    _fill(Settings(_env_file=None, home=home, keys=TEST_KEYS, database_url=f"{postgresql_server}/{name}"))
    return name, home


@pytest.fixture
def filled(filled_template, settings, open_installation, credentials) -> Installation:
    """An installation with 60 orders of each marketplace in its book and its lake; nobody answers at their addresses."""
    shutil.copytree(filled_template[0], settings.home)
    return open_installation(settings)


@pytest.fixture
def trading(filled, filled_template, clock) -> Iterator[Marketplaces]:
    """The marketplaces of `filled`, as they stood after the pull, at addresses where they answer."""
    copies = []
    for each in filled_template[1:]:
        by_hand = {id(each.lock): type(each.lock)(), id(each.clock): sandbox_clock.MovableClock(clock)}
        copies.append(copy.deepcopy(each, by_hand))
    first, second = copies
    with server.running(create_app(first)) as one, server.running(create_app(second)) as other:
        marketplaces = Marketplaces(first, second, one, other)
        marketplaces.connect(filled.ledger, clock())
        yield marketplaces


@pytest.fixture(params=DATABASES)
def any_filled_settings(request, settings) -> Iterator[Settings]:
    if request.param == "sqlite":
        shutil.copytree(request.getfixturevalue("filled_template")[0], settings.home)
        yield settings
        return
    name, home = request.getfixturevalue("filled_database")
    shutil.copytree(home, settings.home)
    with copied_database(request.getfixturevalue("postgresql_server"), name) as url:
        yield Settings(_env_file=None, home=settings.home, keys=TEST_KEYS, database_url=url)


@pytest.fixture
def any_filled(any_filled_settings, open_installation, credentials) -> Installation:
    """The same on either database."""
    return open_installation(any_filled_settings)


@pytest.fixture
def source(installation) -> InstallationSource:
    return InstallationSource(lambda: contextlib.nullcontext(installation))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral
