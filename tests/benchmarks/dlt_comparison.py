"""The same orders from the same sandbox over HTTP: our pull, order book and tables against dlt, which merges into DuckDB.

dlt pages through the listing with its own REST client and merges on the order's id; lists within an order become tables of
their own. Ours keeps the raw payloads (encrypted, and without personal data), normalises them into the order book and
publishes orders, lines, versions and payloads. Both read as many pages; the sandbox has no separate shipments here, which dlt
would not ask for. `again` is the same once more with nothing changed. Imports are left out of both.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from orders_pipeline.sandbox.mirakl import state as mirakl
from orders_pipeline.stages.normalise import normalise_pending
from orders_pipeline.stages.pull import pull_all
from tests.benchmarks.filling import installed
from tests.benchmarks.measuring import Child, Figure, Step, Task, Workshop
from tests.benchmarks.sandboxes import CREDENTIALS, connect, serve_mirakl
from warehouse.lake.lake import open_lake
from warehouse.lake.publishing import publish
from warehouse.ledger.base.schema import coverage

if TYPE_CHECKING:
    from dlt.sources.helpers.rest_client.client import RESTClient

PAGE_SIZE = 100
ONE_WINDOW = {"ORDERS_PULL_FIRST_DAYS": "1"}
"""All orders are of the last day, so that ours asks for one listing, as dlt does."""

PASSES = ("first", "again")


def measure(workshop: Workshop) -> list[Figure]:
    """Wall and CPU of both, for a first pull and for the same once more."""
    with Child(workshop, serve_mirakl, workshop.sizes.pulled, False) as sandbox:
        served = sandbox.step().value
        workshop.say(f"ours: {served['orders']:,} orders")
        ours = _run(workshop, pull_ours, served["url"], {**CREDENTIALS, **ONE_WINDOW})
        workshop.say(f"dlt: {served['orders']:,} orders")
        theirs = _run(workshop, pull_with_dlt, served["url"], _quiet_dlt(workshop))
    for our, their in zip(ours, theirs, strict=True):
        expected = {"orders": served["orders"], "pages": their.value["pages"]}
        assert our.value == expected == their.value, (our.value, their.value, served)
    size = f"{served['orders']:,}"
    return [
        Figure(
            benchmark=f"pull to tables, {name}, {measured.partition('_')[0]}",
            size=f"{size} in {our.value['pages']} pages",
            value=getattr(our, measured),
            unit="s",
            reference=getattr(their, measured),
            against="dlt, merge into DuckDB",
        )
        for name, our, their in zip(PASSES, ours, theirs, strict=True)
        for measured in ("wall_seconds", "cpu_seconds")
    ]


def _run(workshop: Workshop, task: Task, url: str, environment: dict[str, str]) -> list[Step]:
    folder = workshop.fresh(task.__name__)
    with Child(workshop, task, url, str(folder), environment=environment) as child:
        child.step()
        return [child.step() for _ in PASSES]


def pull_ours(url: str, folder: str) -> Generator[object, None, None]:
    """Task: open and connect an installation; pull, normalise and publish, twice."""
    with installed(Path(folder)) as installation:
        connect(installation, url, 1)
        yield None
        for _ in PASSES:
            (result,) = pull_all(installation)
            normalise_pending(installation)
            with open_lake(installation.settings) as lake:
                publish(installation.ledger, lake, installation.clock())
                [(orders,)] = lake.duck.execute("SELECT count(DISTINCT raw_seq) FROM order_versions").fetchall()
            yield {"orders": orders, "pages": result.pages}
            with installation.ledger.write() as transaction:
                transaction.execute(sa.delete(coverage))


def pull_with_dlt(url: str, folder: str) -> Generator[object, None, None]:
    """Task: import dlt and set a pipeline up; run it, twice."""
    import dlt  # noqa: PLC0415 - heavy, and only here
    from dlt.sources.helpers.rest_client.auth import APIKeyAuth  # noqa: PLC0415 - as above
    from dlt.sources.helpers.rest_client.client import RESTClient  # noqa: PLC0415 - as above
    from dlt.sources.helpers.rest_client.paginators import OffsetPaginator  # noqa: PLC0415 - as above

    path = Path(folder)
    destination = dlt.destinations.duckdb(str(path / "merged.duckdb"))
    pipeline = dlt.pipeline("orders", destination=destination, dataset_name="bench", pipelines_dir=str(path / "dlt"))
    client = RESTClient(
        base_url=url,
        auth=APIKeyAuth(name="Authorization", api_key=mirakl.API_KEY, location="header"),
        paginator=OffsetPaginator(limit=PAGE_SIZE, limit_param="max", total_path="total_count"),
        data_selector="orders",
    )
    yield None
    for _ in PASSES:
        pages: list[int] = []
        resource = dlt.resource(
            _dlt_pages(client, pages), name="orders", write_disposition="merge", primary_key="order_id"
        )
        pipeline.run(resource).raise_on_failed_jobs()
        with pipeline.sql_client() as duck:
            [(orders,)] = duck.execute_sql("SELECT count(*) FROM orders") or []
        yield {"orders": orders, "pages": len(pages)}


def _dlt_pages(client: RESTClient, pages: list[int]) -> Iterator[list[dict[str, Any]]]:
    for page in client.paginate("/api/orders", params={"sort": "dateCreated", "order": "asc"}):
        pages.append(len(page))
        yield list(page)


def _quiet_dlt(workshop: Workshop) -> dict[str, str]:
    """No telemetry, and all of dlt's own files in a folder that goes away."""
    return {
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "ERROR",
        "DLT_DATA_DIR": str(workshop.fresh("dlt-data")),
        "DLT_PROJECT_DIR": str(workshop.fresh("dlt-project")),
        "DO_NOT_TRACK": "1",
    }
