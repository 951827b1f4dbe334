"""How old what a tick makes may become before Dagster's page says so; the same bounds by which a channel is late.

That a tick ran says nothing of each connection: that is the checks' and `orders status`' to tell, from the ledger.
https://docs.dagster.io/guides/observe/asset-freshness-policies
"""

import dagster as dg

from warehouse.lake.origins import PULLS_WAIT
from warehouse.ledger.status.channel_status import LATE_AFTER_INTERVALS, PULL_INTERVAL

TICK_FRESHNESS = dg.FreshnessPolicy.time_window(
    warn_window=LATE_AFTER_INTERVALS * PULL_INTERVAL, fail_window=2 * LATE_AFTER_INTERVALS * PULL_INTERVAL
)
PULLS_FRESHNESS = dg.FreshnessPolicy.time_window(
    warn_window=PULLS_WAIT + LATE_AFTER_INTERVALS * PULL_INTERVAL,
    fail_window=PULLS_WAIT + 2 * LATE_AFTER_INTERVALS * PULL_INTERVAL,
)
"""Of the tables of pulls, which are published when something else is, or after `PULLS_WAIT`."""
