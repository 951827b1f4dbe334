"""Data checks that do not hold, as incidents: opened when a check fails, closed when it holds again.

What must hold is in `warehouse.ledger.status.soundness` and `warehouse.lake.soundness`; this knows nothing of Dagster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.ledger.watch import incident_queries, incidents

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orders_pipeline.installation import Installation
    from warehouse.ledger.status.soundness import CheckVerdict

STAGE = "check"
SCOPE = "system"
CODE = "data_check_failed"
HINT = "its numbers are on Dagster's page of the asset; what each check means is in docs/operations.md"
SHOWN = 20
"""How many offenders an incident names."""

REPORTED_BY_THEIR_CAUSE = frozenset({"connections_pulled", "channels_up_to_date", "quarantine_empty", "nothing_stuck"})
"""Checks that only count what has incidents of its own: a second one would say the same."""


def named(verdict: CheckVerdict) -> str:
    """What a check found, in a bounded number of words."""
    said = "; ".join(verdict.offenders[:SHOWN]) or "as expected"
    further = len(verdict.offenders) - SHOWN
    return said if further <= 0 else f"{said}; and {further} more"


def tell(installation: Installation, verdicts: Mapping[str, CheckVerdict]) -> None:
    """Open an incident for each check that does not hold, and end those of the checks that do.

    Args:
        installation: Where they are kept. Nothing is written while all hold and none is open.
        verdicts: What the checks of one run found, by the check's name.
    """
    failed = {name for name, each in verdicts.items() if each.offenders} - REPORTED_BY_THEIR_CAUSE
    with installation.ledger.read() as transaction:
        announced = {subject for _, subject, _ in incident_queries.open_of_stage(transaction, STAGE)}
    over = sorted(announced & (verdicts.keys() - failed))
    if not failed and not over:
        return
    with installation.ledger.write() as transaction:
        now = installation.clock()
        for name in sorted(failed):
            message = f"the data check {name} does not hold: {named(verdicts[name])}"
            report = incidents.IncidentReport(
                scope=SCOPE, subject=name, stage=STAGE, code=CODE, message=message, hint=HINT
            )
            incidents.report(transaction, report, now)
        if over:
            incidents.resolve(transaction, SCOPE, over, [STAGE], now)
