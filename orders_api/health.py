"""Whether the process lives, and whether it can serve. Open to everyone, and telling nothing but that."""

from __future__ import annotations

import shutil

from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response

from orders_api.kit.answers import fresh_answer
from orders_api.kit.errors import Problem, describe
from orders_api.kit.installation import ApiInstallation
from orders_api.kit.routes import ThisInstallation, resource
from orders_api.schemas.problems import Health, Readiness
from warehouse.ledger.base.database import SCHEMA_HEAD, schema_version
from warehouse.ledger.base.waits import waiting_at_most
from warehouse.ledger.status.keys import newest_cannot_open

router = resource("Health")

LEAST_FREE_BYTES = 200_000_000
"""Below it the ledger may soon be unable to commit; load balancers should look elsewhere before it does."""

LONGEST_WAIT_SECONDS = 3.0
"""For each answer of the ledger: whoever asks whether this process can serve will not wait for long."""


@router.get("/healthz", summary="Whether the process lives", response_model=Health)
async def get_health() -> Response:
    """Answers as long as the process does; looks at nothing else."""
    return fresh_answer({"status": "ok"})


@router.get("/readyz", summary="Whether the process can serve", response_model=Readiness, responses=describe(503))
def get_readiness(installation: ThisInstallation) -> Response:
    """The ledger can be read, its schema is this release's, its sealed data open, and the disk has room.

    503 names the check that failed.
    """
    _check_ledger(installation)
    _check_keys(installation)
    _check_disk(installation)
    return fresh_answer({"status": "ready", "checks": ["ledger", "schema", "keys", "disk"]})


def _check_ledger(installation: ApiInstallation) -> None:
    try:
        with waiting_at_most(LONGEST_WAIT_SECONDS):
            version = schema_version(installation.ledger)
    except SQLAlchemyError as error:
        raise _not_ready("ledger", "The ledger cannot be read.") from error
    if version != SCHEMA_HEAD:
        raise _not_ready("schema", f"The ledger's schema is {version}, this release needs {SCHEMA_HEAD}.")


def _check_keys(installation: ApiInstallation) -> None:
    try:
        with installation.ledger.read() as transaction:
            problem = newest_cannot_open(transaction, installation.keys)
    except SQLAlchemyError as error:
        raise _not_ready("ledger", "The ledger cannot be read.") from error
    if problem is not None:
        raise _not_ready("keys", "What is sealed in the ledger cannot be opened with this key ring.")


def _check_disk(installation: ApiInstallation) -> None:
    home = installation.settings.home.absolute()
    free = shutil.disk_usage(next(each for each in (home, *home.parents) if each.exists())).free
    if free < LEAST_FREE_BYTES:
        raise _not_ready("disk", f"Only {free // 1_000_000} MB are free where ORDERS_HOME is.")


def _not_ready(check: str, detail: str) -> Problem:
    return Problem(503, f"{check}_check_failed", detail, headers={"Retry-After": "10"})
