"""The dead man's switch: after a job has succeeded, a monitor outside is told, which raises the alarm when that stops.

It is the one alarm that works when the whole machine is gone. That a job *fails* is told by incidents, not here.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from warehouse.ledger.watch import incidents
from warehouse.logs import REDACTOR, Event
from warehouse.web_addresses import is_loopback

if TYPE_CHECKING:
    from orders_pipeline.installation import Installation

logger = logging.getLogger("orders_pipeline.alerts.heartbeat")

STAGE = "ping"
PATIENCE_SECONDS = 5.0


class PingFailed(Exception):
    """The monitor was not reached; `code` is a stable word, and the message never shows the URL, which is a secret."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def ping(installation: Installation, job: str) -> bool:
    """Tell the job's monitor that it has succeeded; False when it has none, or it was not reached.

    A failure is logged and an incident, which the next ping that arrives closes; it never fails the job.
    """
    reference = installation.settings.ping_urls.get(job)
    if reference is None:
        return False
    now = installation.clock()
    try:
        _ask(_url(reference))
    except PingFailed as error:
        logger.warning(Event.PING_FAILED, extra={"job": job, "code": error.code, "reason": str(error)})
        problem = incidents.IncidentReport(
            scope="system",
            subject=job,
            stage=STAGE,
            code=error.code,
            message=f"the monitor of {job} could not be told that it has succeeded: {error}",
            hint="check the URL in ORDERS_PING_URLS and the way to it; until then the monitor may raise a false alarm",
        )
        with installation.ledger.write() as transaction:
            incidents.report(transaction, problem, now)
        return False
    with installation.ledger.write() as transaction:
        incidents.resolve(transaction, "system", [job], [STAGE], now)
    logger.info(Event.PING_SENT, extra={"job": job})
    return True


def _url(reference: str) -> str:
    form, _, rest = reference.partition(":")
    found: str | None = reference
    if form == "env":
        found = os.environ.get(rest)
    elif form == "file":
        try:
            found = Path(rest).read_text(encoding="utf-8").strip()
        except OSError:
            found = None
    if not found:
        raise PingFailed("ping_url_missing", f"there is nothing at {form}:{rest}")
    REDACTOR.hide([found])
    return found


def _ask(url: str) -> None:
    try:
        asked = httpx.URL(url)
    except httpx.InvalidURL:
        raise PingFailed("ping_url_invalid", "it is no URL") from None
    if asked.scheme != "https" and not (asked.scheme == "http" and is_loopback(asked.host)):
        raise PingFailed("ping_url_invalid", "it must be an https URL")
    try:
        answer = httpx.get(asked, timeout=PATIENCE_SECONDS, follow_redirects=False)
    except httpx.HTTPError as error:
        raise PingFailed("ping_failed", type(error).__name__) from None
    if not answer.is_success:
        raise PingFailed("ping_failed", f"it answered {answer.status_code}")
