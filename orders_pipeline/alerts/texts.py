"""The words of alerts: plain text, counts in the first line, what to do with each problem. Pure; nothing secret or personal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse import display

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from warehouse.ledger.book.cancellation_queries import CancellationRecord
    from warehouse.ledger.status.day import DayFigures
    from warehouse.ledger.watch.alerts import AnnouncedTrouble, Trouble

SHOWN = 20
"""Conditions that a part of a message names; the rest is counted."""

SUBJECT_LENGTH = 150


def problems(
    new: Sequence[Trouble],
    grown: Sequence[Trouble],
    over: Sequence[AnnouncedTrouble],
    going_on: Sequence[Trouble],
    passed: Sequence[Trouble],
    zone: ZoneInfo,
) -> tuple[str, str]:
    """Subject and body of a message about incidents; `passed` came and went since the last one."""
    current = [*new, *grown, *going_on]
    parts = [
        f"{len(found)} {word}"
        for found, word in ((new, "new"), (grown, "growing"), (over, "recovered"), (current, "open"))
        if found or word == "open"
    ]
    first = next(iter([*new, *grown]), None)
    tail = f": {_name(first)} ×{first.occurrences}" if first is not None else ""
    subject = f"[Orders] {', '.join(parts)}{tail}"[:SUBJECT_LENGTH]
    lines = [f"{', '.join(parts)}; {_times(sum(each.occurrences for each in current))} in all."]
    lines += _section("NEW", (_trouble(each, zone) for each in new), len(new))
    lines += _section("GROWING", (_trouble(each, zone) for each in grown), len(grown))
    lines += _section("RECOVERED", ([f"* {_name(each)}: {each.message}"] for each in over), len(over))
    lines += _section("CAME AND WENT", ([_head(each, zone)] for each in passed), len(passed))
    lines += _section("STILL OPEN", ([_head(each, zone)] for each in going_on), len(going_on))
    return subject, _text([*lines, "", "All of it: orders incidents list"])


def cancellations(rows: Sequence[CancellationRecord], count: int, zone: ZoneInfo) -> tuple[str, str]:
    """Subject and body of a message about requests to cancel."""
    noun = "request" if count == 1 else "requests"
    first = rows[0]
    subject = f"[Orders] {count} cancellation {noun}: {first.channel} {first.original_id}"[:SUBJECT_LENGTH]
    lines = [f"{count} new {noun} to cancel an order."]
    lines += _section("REQUESTS", (_request(row, zone) for row in rows), count)
    return subject, _text([*lines, "", "Decide: POST /v1/cancellation-requests/{id}/accept or /decline"])


def summary(open_now: Sequence[Trouble], figures: DayFigures, zone: ZoneInfo) -> tuple[str, str]:
    """Subject and body of the message of the day."""
    count = len(open_now)
    verdict = "all is well" if not open_now else f"{count} {'problem' if count == 1 else 'problems'} open"
    subject = f"[Orders] {verdict}; {figures.orders} orders in 24 hours"
    lines = [
        f"{verdict.capitalize()}; {figures.orders} orders in the last 24 hours.",
        "",
        f"incidents: {figures.opened} opened, {figures.resolved} resolved in 24 hours",
        f"quarantine: {figures.quarantined} orders",
        f"cancellation requests waiting: {figures.requests}",
        f"shipments: {figures.unsent} to be sent, {figures.in_doubt} in doubt, {figures.rejected} rejected",
    ]
    lines += _section("STILL OPEN", (_trouble(each, zone) for each in open_now), count)
    covered = [[f"* {code}: {_when(through, zone)}"] for code, through in figures.covered]
    lines += _section("COMPLETE THROUGH", covered, len(covered))
    return subject, _text(lines)


def _section(title: str, found: Iterable[Sequence[str]], count: int) -> list[str]:
    """A titled part, or nothing; what does not fit is counted."""
    if count == 0:
        return []
    lines = ["", title]
    for shown, each in enumerate(found):
        if shown == SHOWN:
            return [*lines, f"and {count - SHOWN} more"]
        lines += each
    return lines


def _trouble(each: Trouble, zone: ZoneInfo) -> list[str]:
    lines = [_head(each, zone), f"  {each.message}"]
    return [*lines, f"  What to do: {each.hint}"] if each.hint else lines


def _head(each: Trouble, zone: ZoneInfo) -> str:
    places = f" in {each.incidents} {each.about}" if each.incidents > 1 else ""
    return f"* {_name(each)} ({each.kind}): {_times(each.occurrences)}{places} since {_when(each.first_seen_at, zone)}"


def _request(row: CancellationRecord, zone: ZoneInfo) -> list[str]:
    units = sum(each["quantity"] or 0 for each in row.lines)
    held = f"; held until {_when(row.hold_until, zone)}" if row.hold_until else ""
    return [
        f"* {row.channel} {row.original_id}: asked for by {row.requester}, {row.reason or 'no reason given'}",
        f"  {units} units on {len(row.lines)} lines, {row.state}{held}; id {row.id}",
    ]


def _name(each: Trouble | AnnouncedTrouble) -> str:
    return f"{each.subject} {each.stage} {each.code}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{display.number(count)} times"


def _when(moment: datetime | None, zone: ZoneInfo) -> str:
    return "never" if moment is None else display.moment(moment, zone)


def _text(lines: Sequence[str]) -> str:
    """One line each, whatever a marketplace put into its words."""
    return "\n".join(" ".join(line.split("\n")).rstrip() for line in lines) + "\n"
