"""How old what a tick makes may become before Dagster's page says so; the same bounds by which a channel is late.

That a tick ran says nothing of each connection: that is the checks' and `orders status`' to tell, from the ledger.
https://docs.dagster.io/guides/observe/asset-freshness-policies
"""

import dagster as dg

from warehouse.ledger.status.channel_status import LATE_AFTER_INTERVALS, PULL_INTERVAL

TICK_FRESHNESS = dg.FreshnessPolicy.time_window(
    warn_window=LATE_AFTER_INTERVALS * PULL_INTERVAL, fail_window=2 * LATE_AFTER_INTERVALS * PULL_INTERVAL
)
