"""Where the processes of one `orders api` keep what they share; nowhere, where there is only one.

What they share is in `latencies` and `shared_buckets`; who makes the folder, and takes it away, is `orders_api.workers`.
"""

from __future__ import annotations

import os
from pathlib import Path

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""By this name the client of Prometheus knows, when it is loaded, that its counts are of several processes."""


def shared_folder() -> Path | None:
    """The folder; None for a process that is alone."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return Path(folder) if folder else None
