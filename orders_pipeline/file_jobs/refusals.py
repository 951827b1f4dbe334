"""Incidents about what is in shipment files: one for each file that was refused, or of which rows were, until it is settled.

Applying files is in `ingest`. Reaching a storage has incidents of its own, in `job_run`. A file is settled when

* it was read again (`orders imports retry`) and every row of it counts, or
* another file of its name came later of which every row counts, unless its sender had used that name before: then the later
  file is as likely to be the next one as a correction, or
* each order of its refused rows was reported since then, in a file of that name or until nothing was left to ship.

What nobody sends again, such as a row without a need, is closed by hand: `orders incidents resolve`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.ledger.exchange import file_queries, settlement
from warehouse.ledger.exchange.file_records import FileState, RowOutcome
from warehouse.ledger.watch import incidents

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.exchange.file_records import FileRecord

STAGE = "import_rows"
"""Of the incidents about what is in a file; `import` is that of reaching the storage."""

FILE_REFUSED, ROWS_REFUSED, FILE_GREW = "file_refused", "rows_refused", "rejected_file_grew"
MOST_FILES = 100
"""With incidents of their own, of a channel; any further ones share one, which is closed by hand."""


def tell_refused_file(transaction: Transaction, record: FileRecord, now: datetime) -> None:
    """Open an incident about a file that was refused as a whole."""
    over = (
        "files of that name were taken before, so that the next one does not settle it: have its rows sent again, then "
        "resolve this by hand"
        if settlement.had_its_name_before(transaction, record)
        else "this is over when a file of that name has been taken"
    )
    message = f"the shipment file {record.name} was refused: {record.error_code}: {record.error}"
    hint = f"`orders imports show {record.id}` tells more; nothing of it was applied, and its bytes are kept; {over}"
    _report(transaction, record, FILE_REFUSED, message, hint, {"fault": record.error_code}, now)


def tell_refused_rows(transaction: Transaction, record: FileRecord, now: datetime) -> None:
    """Open an incident about a file of which rows were refused; close it when none is any more."""
    if not record.refused:
        incidents.resolve_file(transaction, str(record.id), "every row of the file counts", now)
        return
    message = f"{record.refused} of {record.rows} rows of the shipment file {record.name} were refused"
    hint = f"`orders imports show {record.id}` lists them; correct them and send them again: the others do no harm"
    _report(transaction, record, ROWS_REFUSED, message, hint, {"rows": record.rows, "refused": record.refused}, now)


def tell_grown(transaction: Transaction, record: FileRecord, place: str, now: datetime) -> None:
    """Open an incident about a refused file that was written on after it was moved away."""
    message = f"the shipment file {record.name} was refused, and was written on in {place} afterwards"
    hint = "its sender writes slowly: move it back into the import folder; write files as .part and rename them"
    _report(transaction, record, FILE_GREW, message, hint, {}, now)


def _report(
    transaction: Transaction,
    record: FileRecord,
    code: str,
    message: str,
    hint: str,
    details: dict[str, object],
    now: datetime,
) -> None:
    known = incidents.files_in_trouble(transaction, "channel", record.channel, STAGE)
    own_id = str(record.id)
    has_room = own_id in known or len(known) < MOST_FILES
    shared = f"many shipment files were refused; the last: {message}"
    incidents.report(
        transaction,
        incidents.IncidentReport(
            scope="channel",
            subject=record.channel,
            stage=STAGE,
            code=code,
            message=message if has_room else shared,
            hint=hint
            if has_room
            else "`orders imports list` has them all; resolve this incident when they are settled",
            file_id=own_id if has_room else "",
            details=details,
        ),
        now,
    )


def any_open(transaction: Transaction, channel: str) -> bool:
    """Whether an incident about a file of a channel is open."""
    return bool(incidents.files_in_trouble(transaction, "channel", channel, STAGE))


def close_settled(transaction: Transaction, channel: str, now: datetime) -> None:
    """Close the incidents about files of a channel that are settled meanwhile."""
    for file_id in incidents.files_in_trouble(transaction, "channel", channel, STAGE):
        record = file_queries.find(transaction, int(file_id))
        if record is None or record.state is FileState.RECEIVED:
            continue
        how = _how_settled(transaction, record)
        if how is not None:
            incidents.resolve_file(transaction, file_id, how, now)


def _how_settled(transaction: Transaction, record: FileRecord) -> str | None:
    """What has settled a file, as a resolution says it; None when nothing has."""
    refused = record.state is FileState.REFUSED
    if not refused and not record.refused:
        return "every row of the file counts"
    successors = settlement.successors(transaction, record)
    whole = next((each.id for each in successors if not each.refused), None)
    proves_nothing = whole is None or settlement.had_its_name_before(transaction, record)
    replaced = None if proves_nothing else f"file {whole} of the same name has come, and every row of it counts"
    if refused:
        return replaced
    rows = file_queries.rows_of(transaction, record.id, outcome=RowOutcome.REFUSED)
    ids = {each.order_id for each in rows if each.order_id is not None}
    if any(each.order_id is None for each in rows) and replaced is None:
        return None
    if (
        ids
        - settlement.reported_in(transaction, [each.id for each in successors], ids)
        - settlement.shipped_since(transaction, record, ids)
    ):
        return None
    return "the orders of the refused rows have been reported since" if ids else replaced
