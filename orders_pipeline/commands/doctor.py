"""`orders doctor`: what is the matter with this installation. What is looked at is in `orders_pipeline.upkeep.doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from orders_pipeline.commands.output import Exit, print_json, print_table
from orders_pipeline.upkeep.doctor import examine
from orders_pipeline.upkeep.findings import DoctorVerdict
from warehouse.clock import utc_now
from warehouse.settings import Settings


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line per finding.")] = False,
) -> None:
    """Look at everything that is usually wrong, and say what to do; changes nothing, and asks no marketplace.

    Each line is ok, warn or fail. Exit code 7 when one is fail. The output holds no secret and no personal data: it can be
    sent to whoever helps.

    Example: orders doctor --json > doctor.jsonl
    """
    findings = examine(Settings(), utc_now)
    if as_json:
        for each in findings:
            print_json({"part": each.part, "verdict": each.verdict, "seen": each.seen, "hint": each.hint})
    else:
        rows = [(each.part, each.verdict.value, each.seen, each.hint) for each in findings]
        print_table("Doctor", ("part", "verdict", "what was seen", "what to do"), rows)
    if any(each.verdict is DoctorVerdict.FAIL for each in findings):
        raise typer.Exit(Exit.CHECK_FAILED)
