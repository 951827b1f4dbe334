"""Shards: where there are many connections, a tick is several runs at once, each of which pulls its part of them.

One shard by default, and then a tick is one run as ever. The first shard's run does what is done once a tick too: it publishes
the tables and looks at the checks. Normalising is done by whichever run comes first, for all of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg

from orders_pipeline.installation import Installation
from orders_pipeline.run_leases import running, unless_running
from warehouse.clock import iso, utc_now
from warehouse.ledger.settings import channels

SHARD_TAG = "orders/shard"
"""Run tag: which of how many shards a run pulls; a run without it pulls everything."""
JOB = "pull_orders"
EACH_SHARD_MAKES = ("raw_orders", "orders", "acceptances")


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several parts of the connections; which one a connection is in depends on its code and on nothing else."""

    number: int
    of: int

    def __str__(self) -> str:
        """As the run tag has it, counted from 1.

        >>> str(Shard(2, 4)), Shard.read("2/4")
        ('2/4', Shard(number=2, of=4))
        """
        return f"{self.number}/{self.of}"

    @classmethod
    def read(cls, text: str) -> Shard:
        """The shard of a run tag."""
        number, _, of = text.partition("/")
        return cls(int(number), int(of))

    def has(self, connection: str) -> bool:
        """Whether a connection is in it.

        >>> [number for number in (1, 2, 3) if Shard(number, 3).has("shop")]
        [1]
        """
        digest = hashlib.blake2b(connection.encode(), digest_size=8).digest()
        return int.from_bytes(digest) % self.of == self.number - 1


def connections_of_run(tags: Mapping[str, str], installation: Installation) -> list[str] | None:
    """The codes of the connections that a run with these tags works at; None: all."""
    if SHARD_TAG not in tags:
        return None
    shard = Shard.read(tags[SHARD_TAG])
    with installation.ledger.read() as transaction:
        return [each.code for each in channels.all_connections(transaction) if shard.has(each.code)]


def tick(
    context: dg.ScheduleEvaluationContext, installation: Installation
) -> dg.RunRequest | list[dg.RunRequest] | dg.SkipReason:
    """A run for each shard of which none is queued or at work."""
    count = installation.settings.pull_shards
    if count == 1:
        return unless_running(context, installation, JOB)
    requests, reasons = [], []
    for shard in (str(Shard(number + 1, count)) for number in range(count)):
        reason = running(context.instance, installation, JOB, utc_now(), {SHARD_TAG: shard})
        if reason:
            reasons.append(reason)
        else:
            run_key = f"{iso(context.scheduled_execution_time)} {shard}"
            requests.append(dg.RunRequest(run_key=run_key, tags={SHARD_TAG: shard}))
    return [_without_the_rest(each) for each in requests] or dg.SkipReason("; ".join(reasons))


def _without_the_rest(request: dg.RunRequest) -> dg.RunRequest:
    """The request of a shard, which leaves to the first what is done once a tick."""
    if request.tags[SHARD_TAG].startswith("1/"):
        return request
    return request._replace(asset_selection=[dg.AssetKey(each) for each in EACH_SHARD_MAKES], asset_check_keys=[])
