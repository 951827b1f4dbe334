"""The task that `idle_ticks` compares a tick with; apart, so that its process imports nothing of the pipeline's stages."""

from __future__ import annotations

from collections.abc import Generator

import dagster as dg


def empty_run_in_dagster() -> Generator[object, None, None]:
    """Task: load Dagster, a job of one asset that does nothing, and the instance; run the job, as often as asked."""

    @dg.asset
    def nothing() -> None:
        pass

    job = dg.Definitions(
        assets=[nothing], jobs=[dg.define_asset_job("empty")], executor=dg.in_process_executor
    ).resolve_job_def("empty")
    with dg.DagsterInstance.get() as instance:
        yield None
        while True:
            result = job.execute_in_process(instance=instance)
            assert result.success
            yield 0
