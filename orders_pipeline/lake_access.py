"""Opening the lake to publish: when it cannot be reached that is an incident with its cause, and the ledger goes on.

What is published is in `warehouse.lake.publishing`; the next publish catches up by itself.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from warehouse.lake.lake import open_lake
from warehouse.lake.outages import LakeError
from warehouse.ledger.watch import incidents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orders_pipeline.installation import Installation
    from warehouse.lake.lake import Lake

STAGE = "publish"
LAKE_UNREACHABLE = "lake_unreachable"


@contextmanager
def publishing(installation: Installation) -> Iterator[Lake]:
    """The lake, opened for writing. A failure of its catalog or its storage opens an incident; success closes it.

    Raises:
        LakeError: The lake cannot be reached; the message is the incident's.
    """
    try:
        with open_lake(installation.settings) as lake:
            yield lake
    except (LakeError, duckdb.Error, OSError) as error:
        message = str(error).partition("\n")[0][:500]
        with installation.ledger.write() as transaction:
            incidents.report(
                transaction,
                incidents.IncidentReport(
                    scope="system",
                    subject="lake",
                    stage=STAGE,
                    code=LAKE_UNREACHABLE,
                    message=f"the order tables could not be published: {message}",
                    hint="see that the storage of the lake answers and has room; the next publish catches up",
                ),
                installation.clock(),
            )
        if isinstance(error, LakeError):
            raise
        raise LakeError(message) from error
    with installation.ledger.write() as transaction:
        incidents.resolve(transaction, "system", ["lake"], [STAGE], installation.clock(), codes=[LAKE_UNREACHABLE])
