"""`orders demo`: the whole product with made-up orders: sandbox marketplaces, pipeline, API, and where to look.

Everything runs in processes of its own, as in production, and writes below one folder. Nothing here is used by the product.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import httpx
import typer
import yaml

from orders_pipeline.commands import demo_erp, demo_files, demo_trouble
from orders_pipeline.commands.children import ORDERS, asked_port, child, free_port, leave_on_term, log_file, wait_for
from orders_pipeline.commands.demo_shares import DEMONSTRATED, SHARES, first_channel
from orders_pipeline.commands.intake import publish_tables
from orders_pipeline.commands.output import Exit, answers, fail, notes, print_table, progress
from orders_pipeline.commands.status import print_counts
from orders_pipeline.installation import opened
from warehouse import connect
from warehouse.ledger.base.database import NORMALISED_THROUGH, RAW_SEQ, mark
from warehouse.ledger.book import products, raw_orders
from warehouse.ledger.book.order_ids import first_original
from warehouse.ledger.people import links, users
from warehouse.ledger.settings import configuration, tokens
from warehouse.ledger.settings.channels import all_channels
from warehouse.ledger.settings.document import read_document
from warehouse.ledger.shipping import shipment_queries
from warehouse.ledger.status.channel_status import counts_by_status
from warehouse.ledger.watch.incident_queries import find_incidents
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orders_pipeline.installation import Installation

DEMO_USER = "demo"
PATIENCE_SECONDS = 80.0
RATE_FACTOR = 10_000
"""The sandbox keeps the marketplaces' real limits; a demo would wait hours for them."""
PREFERRED_PORTS = {"dagster": 3000, "api": 8000}
"""Taken where they are free and no other is asked for."""
TO_SHIP = "select channel, original_id, status, ship_by from orders_to_ship limit 5"


@dataclass(frozen=True, slots=True)
class DemoPlaces:
    """Where the demo's processes listen; the sandboxes by their kind."""

    sandboxes: Mapping[str, str]
    dagster: str
    api: str


def demo(
    once: Annotated[bool, typer.Option("--once", help="Do everything once, stop the processes, and exit 0.")] = False,
    orders: Annotated[int, typer.Option(help="How many orders each sandbox marketplace makes up.")] = 120,
    dagster_port: Annotated[int | None, typer.Option(help="Of Dagster's pages; default: 3000, or a free one.")] = None,
    api_port: Annotated[int | None, typer.Option(help="Of the API; default: 8000, or a free one.")] = None,
) -> None:
    """Show the product at work with made-up orders; needs no account anywhere.

    Everything is written below ORDERS_HOME (default: data/demo). Interrupt to stop.

    Examples:

      orders demo

      orders demo --once --orders 2000

      orders demo --dagster-port 3100 --api-port 8100
    """
    began = time.monotonic()
    leave_on_term()
    home = Path(os.environ.get("ORDERS_HOME", "data/demo")).resolve()
    os.environ["ORDERS_HOME"] = str(home)
    with ExitStack() as stack:
        mail_port, postbox = stack.enter_context(demo_trouble.mail_server(home / "mails"))
        mail = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(mail_port), "SMTP_SECURITY": "loopback"}
        mail |= {"SMTP_FROM": "orders@shop.example", "IMPORT_LOOK_SECONDS": "0.5"}
        os.environ.update({f"ORDERS_{name}": value for name, value in mail.items()})
        places = _start(stack, home, orders, {"dagster": dagster_port, "api": api_port})
        with opened(Settings(home=home)) as installation:
            _configure(installation, places, home)
            token = _token(installation)
            _run_pipeline(installation, home, orders)
            wait_for({"Dagster": f"{places.dagster}/server_info", "API": f"{places.api}/healthz"}, PATIENCE_SECONDS)
            _print_orders(installation)
            reported = demo_erp.ship_some(places.api, token)
            demo_files.exchange(installation, home)
            _confirm(installation, places, reported, home)
            demo_trouble.break_and_repair(installation, places.sandboxes, postbox)
            publish_tables(installation)
            _print_places(places, token, _log_in_link(installation, places), home)
            _check(installation, places, token)
        notes.print(f"ready after {time.monotonic() - began:.0f} s")
        if not once:
            notes.print("the pipeline pulls every 5 minutes; interrupt (Ctrl-C) to stop")
            with suppress(KeyboardInterrupt):
                while True:
                    signal.pause()


def _start(stack: ExitStack, home: Path, orders: int, asked: Mapping[str, int | None]) -> DemoPlaces:
    """Start the sandboxes, Dagster and the API; wait for the sandboxes, which come first."""
    ports = {name: asked_port(asked[name], preferred) for name, preferred in PREFERRED_PORTS.items()}
    at = {kind: free_port(each.port) for kind, each in DEMONSTRATED.items()}
    sandboxes = {kind: f"http://127.0.0.1:{port}" for kind, port in at.items()}
    places = DemoPlaces(sandboxes, **{name: f"http://127.0.0.1:{port}" for name, port in ports.items()})
    os.environ["ORDERS_DAGSTER_URL"] = places.dagster  # the console links to it
    listening = [part for port in at.values() for part in ("--port", str(port))]
    options = [*listening, "--orders", str(orders), "--rate-factor", str(RATE_FACTOR)]
    stack.enter_context(_process("sandboxes", [*ORDERS, "sandbox", "serve", *at, *options], home))
    wait_for(
        {f"{DEMONSTRATED[kind].title} sandbox": f"{url}/_sandbox" for kind, url in sandboxes.items()}, PATIENCE_SECONDS
    )
    dagster = [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(ports["dagster"])]
    stack.enter_context(_process("dagster", dagster, home))
    stack.enter_context(_process("api", [*ORDERS, "api", "--port", str(ports["api"])], home))
    return places


@contextmanager
def _process(name: str, command: list[str], home: Path) -> Iterator[None]:
    """A process with its output in a file."""
    with log_file(home, name).open("wb") as output, child(command, output):
        yield


def _configure(installation: Installation, places: DemoPlaces, home: Path) -> None:
    secrets = home / "secrets"
    secrets.mkdir(mode=0o700, exist_ok=True)
    document = read_document(yaml.safe_dump(_configuration(places, secrets, home)))
    with installation.ledger.write() as transaction:
        configuration.apply(transaction, document, installation.clock())
    catalogue = home / "catalogue.csv"
    catalogue.write_bytes(
        httpx.get(f"{next(iter(places.sandboxes.values()))}/_sandbox/catalogue.csv", timeout=30).content
    )
    for channel in document.channels:
        products.load(installation.ledger, channel, catalogue, installation.clock())


def _configuration(places: DemoPlaces, secrets: Path, home: Path) -> dict[str, dict[str, object]]:
    """What a file would declare; the credentials' values are written beside it."""
    connections: dict[str, object] = {}
    channels: dict[str, object] = {}
    for kind, url in places.sandboxes.items():
        share, access = SHARES[kind], DEMONSTRATED[kind]().access()
        for name, value in access.credentials.items():
            (secrets / f"{kind}_{name}").write_text(value)
        connections[share.connection] = {
            "kind": kind,
            "label": share.label,
            "endpoint": url,
            "region": access.region,
            "settings": {"rate_factor": RATE_FACTOR, **access.settings},
            "credentials": {name: f"file:{secrets}/{kind}_{name}" for name in access.credentials},
        }
        for code, (label, selector) in share.channels.items():
            files = demo_files.JOBS if code == share.file_channel else {}
            about = {"connection": share.connection, "label": label, "selector": selector, "confirmation": True}
            channels[code] = {**about, **files, "settings": dict(access.channel_settings)}
    storages: dict[str, object] = {demo_files.STORAGE: {"kind": "folder", "settings": {"path": str(home)}}}
    return {"connections": connections, "storages": storages, "channels": channels}


def _token(installation: Installation) -> str:
    with installation.ledger.write() as transaction:
        for known in tokens.listed(transaction):
            if known.consumer == "demo" and known.revoked_at is None:
                tokens.revoke(transaction, known.id, installation.clock())
        scopes = [tokens.Scope.ORDERS_READ, tokens.Scope.ORDERS_READ_PII, tokens.Scope.SHIPMENTS_WRITE]
        return tokens.create(transaction, "demo", scopes, None, None, installation.clock())[1]


def _run_pipeline(installation: Installation, home: Path, orders: int) -> None:
    """One real run of the pipeline's job, watched through the ledger."""
    with _job("pull_orders", home) as (process, log), progress("pulling", None) as (bar, pulling):
        normalising = bar.add_task("normalising", total=None)
        while process.poll() is None:
            with installation.ledger.read() as transaction:
                raw, done = mark(transaction, RAW_SEQ), mark(transaction, NORMALISED_THROUGH)
            bar.update(pulling, completed=raw, total=max(raw, orders))
            bar.update(normalising, completed=done, total=max(raw, 1))
            time.sleep(0.2)
        bar.update(normalising, description="published")
    if process.returncode:
        raise fail(f"the pipeline's first run failed, see {log}")


@contextmanager
def _job(name: str, home: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A run of one of the pipeline's jobs in a process of its own, its output in a file."""
    command = [sys.executable, "-m", "dagster", "job", "execute", "-m", "orders_pipeline.definitions", "-j", name]
    log = log_file(home, name)
    with log.open("wb") as output, child(command, output) as process:
        yield process, log


def _confirm(installation: Installation, places: DemoPlaces, reported: demo_erp.DemoReports, home: Path) -> None:
    """The pipeline tells the marketplaces what the pretend ERP has shipped, and reads it back.

    One order is cancelled at its marketplace before it is told, so that a refusal can be seen too.
    """
    last = list(places.sandboxes)[-1]
    with installation.ledger.read() as transaction:
        canceled = first_original(transaction, first_channel(last), reported.order_ids)
    if canceled is not None:
        body = {"action": "cancel", "order_ids": [canceled]}
        httpx.post(f"{places.sandboxes[last]}/_sandbox/advance", json=body, timeout=30).raise_for_status()
    with _job("confirm_shipments", home) as (process, log), progress("confirming", None):
        process.wait()
    if process.returncode:
        raise fail(f"confirming failed, see {log}")
    with installation.ledger.read() as transaction:
        counts = shipment_queries.counts(transaction)
    rows = [_shipped(code, sum(own.values()), own) for code, own in sorted(counts.items())]
    print_table("Shipments", ("channel", "reported", "sent", "verified", "rejected", "in doubt"), rows)
    for each in reported.refusals:
        notes.print(f"not taken in: {each}", markup=False)


def _shipped(code: str, reported: int, counts: Mapping[str, int]) -> tuple[str, int, int, int, int, int]:
    """A shipment that is verified has been sent too."""
    verified = counts.get("verified", 0)
    sent = counts.get("sent", 0) + verified
    return code, reported, sent, verified, counts.get("rejected", 0), counts.get("in_doubt", 0)


def _print_orders(installation: Installation) -> None:
    with installation.ledger.read() as transaction:
        codes = [each.code for each in all_channels(transaction)]
        covered = {code: pair[1] for code, pair in raw_orders.covered(transaction, codes).items()}
        counts = counts_by_status(transaction)
        problems = find_incidents(transaction, limit=20)
    print_counts(counts, codes, dict(covered))
    with connect(installation.settings) as lake:
        rows = lake.sql(TO_SHIP).fetchall()
    print_table("Next to ship", ("channel", "order", "status", "ship by"), rows)
    if problems:
        columns = ("subject", "stage", "code", "message")
        print_table("Incidents", columns, [[getattr(each, name) for name in columns] for each in problems])


def _log_in_link(installation: Installation, places: DemoPlaces) -> str:
    """A link that logs somebody in once, and shows what is wrong."""
    with installation.ledger.write() as transaction:
        now = installation.clock()
        if users.find(transaction, DEMO_USER) is None:
            users.add(transaction, DEMO_USER, users.Role.ADMIN, None, now, may_see_personal_data=True)
        secret = links.make_link(transaction, DEMO_USER, now)
    return f"{places.api}/console/log-in/{secret}?next=/incidents"


def _print_places(places: DemoPlaces, token: str, link: str, home: Path) -> None:
    lines = [
        f"Console      {places.api}/console",
        f"log in       {link}",
        f"Dagster      {places.dagster}",
        f"Orders API   {places.api}/docs",
        f"token        {token}",
        "",
        f"curl -s -H 'Authorization: Bearer {token}' '{places.api}/v1/orders?status=WAITING_FOR_SHIPMENT&limit=2'",
        f'ORDERS_HOME={home} {Path(sys.executable).parent}/orders sql "{TO_SHIP}"',
    ]
    answers.rule("Where to look", align="left")
    for line in lines:
        answers.print(line, markup=False, highlight=False)


def _check(installation: Installation, places: DemoPlaces, token: str) -> None:
    """The curl that is printed must work, and the tables must hold what the book holds."""
    answer = httpx.get(
        f"{places.api}/v1/orders",
        params={"limit": 1, "count": "true"},
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )
    with connect(installation.settings) as lake:
        published = lake.sql("select count(*) from orders").fetchall()[0][0]
    if answer.status_code != httpx.codes.OK or answer.json()["count"] != published or not published:
        raise fail(f"the API answered {answer.status_code}; the tables hold {published} orders", Exit.CHECK_FAILED)
