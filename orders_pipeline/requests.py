"""Carrying out what operators ask: the light requests at once, by a sensor; the heavy ones in a run of their own.

Each is done by the function that the command line calls too. What a request is, and what it takes, is in
`warehouse.operator_requests`; here nothing is asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from orders_pipeline import bulk_requests
from orders_pipeline.alerts.delivery import NotDelivered, deliver_test
from orders_pipeline.bulk_requests import CLAIM_LENGTH
from orders_pipeline.file_jobs.export import export_channel
from orders_pipeline.file_jobs.ingest import import_channel
from orders_pipeline.installation import Installation
from orders_pipeline.marketplaces.errors import MarketplaceError
from orders_pipeline.stages import confirm, normalise, pull
from orders_pipeline.stages.connection import defect
from orders_pipeline.stages.connection_test import try_connection
from orders_pipeline.storages.errors import StorageError
from orders_pipeline.storages.open_storages import StoragePlaces
from orders_pipeline.storages.probe import probe
from warehouse.ledger.base import heartbeat, leases
from warehouse.ledger.bulk import selections
from warehouse.ledger.people import operator_requests as book
from warehouse.ledger.settings import file_jobs
from warehouse.ledger.settings.file_jobs import JobKind
from warehouse.ledger.settings.recipients import all_recipients
from warehouse.operator_requests import HEAVY, LIGHT, OperatorRequest, RequestKind, RequestProgress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orders_pipeline.file_jobs.job_run import JobResult
    from orders_pipeline.stages.pull_result import PullResult
    from warehouse.ledger.settings.file_jobs import FileJob

Result = dict[str, Any]

CLAIM_LENGTHS = {LIGHT: timedelta(minutes=2), HEAVY: CLAIM_LENGTH}
LIGHT_FOR = timedelta(seconds=20)
"""How long one look goes on with light requests: a sensor that takes a minute is ended by Dagster."""
MOST_ENTRIES = 500
"""Of a folder that is browsed."""


class NotPossible(Exception):
    """A request that cannot be carried out, with a code, a sentence and what to do."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


def look(installation: Installation) -> bool:
    """Say that the pipeline runs, carry out the light requests that wait, and tell whether heavy ones do."""
    now = installation.clock()
    with installation.ledger.read() as transaction:
        seen = book.pipeline_seen_at(transaction)
        is_light_due = book.is_any_due(transaction, LIGHT, now)
        is_heavy_due = book.is_any_due(transaction, HEAVY, now)
    if seen is None or not now - book.SEEN_EVERY < seen <= now:
        with installation.ledger.write() as transaction:
            book.note_pipeline(transaction, now)
            book.tidy(transaction, now)
            leases.forget(transaction, book.OF_REQUESTS, now - book.KEPT_FOR)
            selections.forget(transaction, now)
    if is_light_due:
        carry_out(installation, LIGHT, LIGHT_FOR)
    return is_heavy_due


def carry_out(installation: Installation, kinds: Sequence[RequestKind], at_most: timedelta) -> int:
    """Carry out the requests of these kinds that wait, the oldest first; no new one is begun after `at_most`.

    Returns:
        How often one was taken up, those that failed among them.
    """
    ends_at = time.monotonic() + at_most.total_seconds()
    done = 0
    while time.monotonic() < ends_at:
        with installation.ledger.write() as transaction:
            now = installation.clock()
            request = book.claim(transaction, kinds, now, CLAIM_LENGTHS[tuple(kinds)])
            lease = None if request is None else leases.acquire(transaction, book.OF_REQUESTS + request.id, now)
        if request is None or lease is None:
            break
        with heartbeat.renewing(installation.ledger, lease, installation.clock):
            state, result = _attempt(installation, request)
        with installation.ledger.write() as transaction:
            leases.release(transaction, lease, installation.clock())
            if result is None:
                book.hand_back(transaction, request)
            else:
                book.finish(transaction, request, state, result, installation.clock())
        done += 1
    return done


def _attempt(installation: Installation, request: OperatorRequest) -> tuple[RequestProgress, Result | None]:
    try:
        return RequestProgress.DONE, DOES[request.kind](installation, request)
    except (MarketplaceError, StorageError, NotDelivered, NotPossible) as error:
        return RequestProgress.FAILED, {"code": error.code, "message": error.message, "hint": error.hint}
    except Exception as error:  # noqa: BLE001 - a defect at one request must not stop the others
        unforeseen = defect(error)
        return RequestProgress.FAILED, {"code": unforeseen.code, "message": unforeseen.message, "hint": "see the log"}


def _try_connection(installation: Installation, request: OperatorRequest) -> Result:
    findings = try_connection(installation, request.subject)
    return {"findings": [_finding(each.part, each.message, each.hint, is_ok=each.is_ok) for each in findings]}


def _finding(part: str, message: str, hint: str, *, is_ok: bool) -> Result:
    return {"part": part, "verdict": "ok" if is_ok else "wrong", "message": message, "hint": hint}


def _test_storage(installation: Installation, request: OperatorRequest) -> Result:
    with StoragePlaces(installation) as places:
        findings = probe(places.at(request.subject), request.arguments["folder"])
    return {
        "findings": [
            {"part": each.part, "verdict": each.verdict.value, "message": each.message, "hint": each.hint}
            for each in findings
        ]
    }


def _browse(installation: Installation, request: OperatorRequest) -> Result:
    """The first entries of a folder, and how many there are."""
    folder = request.arguments["folder"]
    with StoragePlaces(installation) as places:
        storage = places.at(request.subject)
        folders, files = storage.folders(folder), storage.list(folder)
    return {
        "folder": folder,
        "folders": folders[:MOST_ENTRIES],
        "folder_count": len(folders),
        "files": [{"name": each.name, "size": each.size} for each in files[:MOST_ENTRIES]],
        "file_count": len(files),
    }


def _test_recipient(installation: Installation, request: OperatorRequest) -> Result:
    with installation.ledger.read() as transaction:
        chosen = next((each for each in all_recipients(transaction) if each.code == request.subject), None)
    if chosen is None:
        raise NotPossible("unknown_recipient", f"there is no recipient {request.subject} any more")
    deliver_test(installation.settings, installation.keys, chosen, installation.clock())
    return {"delivered": True}


def _pull(installation: Installation, request: OperatorRequest) -> Result:
    since = request.arguments.get("since")
    if since is None:
        return _pulled(installation, pull.pull_connection(installation, request.subject))
    return _pulled(installation, pull.pull_since(installation, request.subject, datetime.fromisoformat(since)))


def _fetch(installation: Installation, request: OperatorRequest) -> Result:
    return _pulled(installation, pull.refetch(installation, request.subject, request.arguments["original_ids"]))


def _replay(installation: Installation, request: OperatorRequest) -> Result:
    return dict(normalise.replay(installation, request.subject, request.arguments["original_ids"]).counts)


def _pulled(installation: Installation, result: PullResult) -> Result:
    """What was read, brought into the book; the order tables follow with the next tick."""
    if result.error is not None:
        raise result.error
    if result.outcome == "busy":
        raise NotPossible("busy", "another process reads this connection at the moment", "ask again in a minute")
    tally = normalise.normalise_pending(installation)
    return {
        "windows": result.windows,
        "seen": result.seen,
        "kept": result.new,
        "skipped": result.skipped,
        "orders": dict(tally.counts),
    }


def _confirm(installation: Installation, request: OperatorRequest) -> Result:
    result = confirm.confirm_connection(installation, request.subject)
    if result.error is not None:
        raise result.error
    return dict(result.counts)


def _export(installation: Installation, request: OperatorRequest) -> Result:
    return _run_job(installation, request.subject, JobKind.EXPORT, export_channel)


def _import(installation: Installation, request: OperatorRequest) -> Result:
    return _run_job(installation, request.subject, JobKind.IMPORT, import_channel)


def _run_job(
    installation: Installation, channel: str, kind: JobKind, run: Callable[[Installation, FileJob], JobResult]
) -> Result:
    with installation.ledger.read() as transaction:
        state = file_jobs.find_job(transaction, channel, kind)
    if state is None:
        raise NotPossible("no_job", f"{channel} has no {kind} job", "set it up first")
    result = run(installation, state.job)
    if result.error is not None:
        raise NotPossible("job_failed", result.error)
    if result.outcome == "busy":
        raise NotPossible("busy", "the job runs at the moment", "see its files in a minute")
    return {"files": [{"id": each.id, "name": each.name, "state": each.state.value} for each in result.files]}


DOES: Mapping[RequestKind, Callable[[Installation, OperatorRequest], Result | None]] = {
    RequestKind.TEST_CONNECTION: _try_connection,
    RequestKind.TEST_STORAGE: _test_storage,
    RequestKind.TEST_RECIPIENT: _test_recipient,
    RequestKind.BROWSE: _browse,
    RequestKind.PULL: _pull,
    RequestKind.FETCH: _fetch,
    RequestKind.REPLAY: _replay,
    RequestKind.CONFIRM: _confirm,
    RequestKind.EXPORT: _export,
    RequestKind.IMPORT: _import,
    RequestKind.BULK: bulk_requests.carry_out,
}
"""What came of each, None where it is not at its end and can be gone on with."""
