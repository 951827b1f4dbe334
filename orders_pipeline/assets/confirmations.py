"""The asset `confirmations`: what the ERP has shipped, told to the marketplaces and read back.

The engine is `orders_pipeline.stages.confirm`. A marketplace that fails is a row and an incident; it stops no other.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import dagster as dg

from orders_pipeline.resources import InstallationSource
from orders_pipeline.stages import confirm
from orders_pipeline.stages.confirm import ConfirmResult
from warehouse.ledger.shipping import shipment_queries

SHOWN = ("queued", "sending", "in_doubt", "held", "rejected", "sent", "verified")


@dg.asset(
    deps=["shipments"],
    kinds={"python", "sql"},
    owners=["team:orders"],
    description="Every shipment told to its marketplace once and verified by reading back; what is refused, in doubt or held "
    "is shown. Kept in the ledger with every attempt.",
)
def confirmations(source: dg.ResourceParam[InstallationSource]) -> dg.MaterializeResult[None]:
    """Send what is due, end doubts, verify."""
    with source.opened() as installation:
        results = confirm.confirm_all(installation)
        with installation.ledger.read() as transaction:
            counts, oldest = shipment_queries.counts(transaction), shipment_queries.oldest_waiting(transaction)
        now = installation.clock()
    return dg.MaterializeResult(metadata=_about(results, counts, oldest, now))


def _about(
    results: Sequence[ConfirmResult],
    counts: Mapping[str, Mapping[str, int]],
    oldest: Mapping[str, datetime],
    now: datetime,
) -> dict[str, dg.MetadataValue]:
    about: dict[str, dg.MetadataValue] = {
        f"attempts_{name}": dg.MetadataValue.int(sum(each.counts[name] for each in results))
        for name in ("sent", "rejected", "in_doubt", "retry")
    }
    about["verified"] = dg.MetadataValue.int(sum(each.counts["verified"] for each in results))
    about |= {
        f"shipments_{name}": dg.MetadataValue.int(sum(each.get(name, 0) for each in counts.values())) for name in SHOWN
    }
    if counts:
        about["channels"] = dg.MetadataValue.md(by_channel(counts, oldest, now))
    failed = [f"- {each.connection}: {each.error.code}: {each.error.message}" for each in results if each.error]
    if failed:
        about["not_reached"] = dg.MetadataValue.md("\n".join(failed))
    return about


def by_channel(counts: Mapping[str, Mapping[str, int]], oldest: Mapping[str, datetime], now: datetime) -> str:
    """A Markdown table: how many shipments of each channel are in which state, and how long the oldest one waits."""
    lines = [" | ".join(("channel", *SHOWN, "oldest waiting")), " | ".join("---" for _ in range(len(SHOWN) + 2))]
    for code in sorted(counts):
        waits = f"{(now - oldest[code]).total_seconds() / 60:.0f} min" if code in oldest else ""
        lines.append(" | ".join((code, *(str(counts[code].get(name, 0)) for name in SHOWN), waits)))
    return "\n".join(f"| {line} |" for line in lines)
