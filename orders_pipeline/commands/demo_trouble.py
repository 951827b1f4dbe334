"""Trouble in `orders demo`: a credential is revoked and a payload broken on purpose, told by mail, repaired, and told again.

The mail server is one of our own on loopback, and its mails can be read below the demo's folder. Starting it is in `demo`.
"""

from __future__ import annotations

import socket
from contextlib import contextmanager
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

import httpx
from aiosmtpd.controller import Controller

from orders_pipeline.alerts import plan
from orders_pipeline.commands.demo_shares import DEMONSTRATED, first_channel
from orders_pipeline.commands.output import answers, fail, print_table
from orders_pipeline.stages import normalise, pull
from warehouse.ledger.book.order_ids import newest_originals
from warehouse.ledger.settings import recipients
from warehouse.ledger.watch.incident_queries import IncidentFilter, IncidentRecord, find_incidents
from warehouse.order_states import FulfilledBy, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from orders_pipeline.installation import Installation

RECIPIENT = "crew@shop.example"
BACKDATED_SECONDS = 300
SHOWN = 1_000
"""The broken order was changed so long ago that the marketplace's own lag does not hide it from the next pull."""


class _Postbox:
    """Takes every mail and keeps it as a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.subjects: list[str] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802, ANN401 - aiosmtpd's
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{len(self.subjects) + 1:03}.eml").write_bytes(envelope.content)
        self.subjects.append(str(message_from_bytes(envelope.content, policy=policy.default)["subject"]))
        return "250 OK"


@contextmanager
def mail_server(folder: Path) -> Iterator[tuple[int, _Postbox]]:
    """A mail server on a free port of loopback; yields the port and its mails."""
    postbox = _Postbox(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(postbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield port, postbox
    finally:
        controller.stop()


def break_and_repair(installation: Installation, sandboxes: Mapping[str, str], postbox: _Postbox) -> None:
    """Break a payload of the first marketplace, revoke the others' credentials, pull, alert; repair all and pull again.

    Raises:
        typer.Exit: The incidents did not come, or did not go.
    """
    with installation.ledger.write() as transaction:
        recipient = recipients.Recipient(code="crew", kind=recipients.RecipientKind.EMAIL, address=RECIPIENT)
        recipients.save_recipient(transaction, recipient, installation.clock())
    kind, *others = sandboxes
    address = sandboxes[kind]
    original_id = _an_order(installation, first_channel(kind))
    fault = {
        "operation": DEMONSTRATED[kind].listing,
        "count": None,
        "order_ids": [original_id],
        "field": DEMONSTRATED[kind].quantity_field,
    }
    touched = {"action": "touch", "order_ids": [original_id]}
    _post(address, "faults", {"kind": "malformed_order", "damage": "wrong_type", **fault})
    _post(address, "advance", {**touched, "backdate_seconds": BACKDATED_SECONDS})
    for each in others:
        _post(sandboxes[each], "faults", {"kind": "revoke_token", "count": None})
    _tick(installation)
    broken = _incidents(installation, is_open=True)
    for each in sandboxes.values():
        httpx.delete(f"{each}/_sandbox/faults", timeout=30).raise_for_status()
    _post(address, "advance", {**touched, "backdate_seconds": BACKDATED_SECONDS - 60})
    _tick(installation)
    repaired = {row.id: row.resolved_at for row in _incidents(installation, is_open=False)}
    columns = ("subject", "stage", "code", "message")
    rows = [(*(getattr(row, name) for name in columns), repaired.get(row.id)) for row in broken]
    print_table("Broken on purpose, and repaired", (*columns, "resolved (UTC)"), rows)
    answers.print(f"mails to {RECIPIENT} (in {postbox.folder}):", markup=False, highlight=False)
    for subject in postbox.subjects:
        answers.print(f"  {subject}", markup=False, highlight=False)
    if len(broken) < 2 or not all(row.id in repaired for row in broken) or not postbox.subjects:  # noqa: PLR2004
        raise fail("the incidents that were made on purpose did not come, did not go, or were not told")


def _an_order(installation: Installation, channel: str) -> str:
    """An order that the next pull can bring again."""
    with installation.ledger.read() as transaction:
        (original,) = newest_originals(transaction, channel, Status.PENDING, FulfilledBy.MERCHANT, 1)
    return original


def _tick(installation: Installation) -> None:
    pull.pull_all(installation)
    normalise.normalise_pending(installation)
    plan.send_due(installation)


def _incidents(installation: Installation, *, is_open: bool) -> list[IncidentRecord]:
    wanted = IncidentFilter(stages=(pull.PULL, normalise.STAGE), is_open=is_open)
    with installation.ledger.read() as transaction:
        return find_incidents(transaction, wanted, None, SHOWN)[::-1]


def _post(address: str, path: str, body: dict[str, Any]) -> None:
    httpx.post(f"{address}/_sandbox/{path}", json=body, timeout=30).raise_for_status()
