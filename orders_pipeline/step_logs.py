"""What steps print, for Dagster's pages: in files of this machine, and in PostgreSQL where that is the store.

A step's files are copied there while it runs and when it has ended, so that the pages of any machine show them. How they are
kept is in `warehouse.ledger.watch.printed`; Dagster's other state is in `dagster_storage`.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster._core.storage.cloud_storage_compute_log_manager import (
    CloudStorageComputeLogManager,
    PollingComputeLogSubscriptionManager,
)
from dagster._core.storage.compute_log_manager import ComputeIOType, ComputeLogManager
from dagster._core.storage.local_compute_log_manager import IO_TYPE_EXTENSION, LocalComputeLogManager
from sqlalchemy.exc import SQLAlchemyError

from orders_pipeline.dagster_storage import state_folder
from warehouse.ledger.base.database import Ledger, make_engine
from warehouse.ledger.watch import printed
from warehouse.logs import Event
from warehouse.settings import present_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dagster._core.storage.compute_log_manager import CapturedLogSubscription
    from dagster._serdes import ConfigurableClassData

LOG = logging.getLogger("orders_pipeline")
MOST_BYTES = 1_000_000
"""Of what a step prints on one stream: the end of it, where it says why it failed."""
COPY_EVERY_SECONDS = 30


class PipelineLogs(LocalComputeLogManager):
    """What runs print, below ORDERS_HOME beside their other files, so that pruning a run finds it; or `KeptLogs`."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing is configured here; the settings say all."""
        return {}

    @classmethod
    def from_config_value(  # type: ignore[override] # what it makes is one of two
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> ComputeLogManager[Any]:
        """Point Dagster's own log manager at the state folder."""
        del config_value
        settings = present_settings()
        local = cls(str(state_folder(settings) / "storage"), inst_data=inst_data)
        return KeptLogs(local, settings.ledger_url) if settings.is_postgresql else local


class KeptLogs(CloudStorageComputeLogManager[Any]):
    """What runs print, kept in PostgreSQL.

    Args:
        local: Keeps it while a step runs.
        url: Of the database.
    """

    def __init__(self, local: LocalComputeLogManager, url: str) -> None:
        self._local = local
        self._ledger = Ledger(make_engine(url))
        self._subscriptions = PollingComputeLogSubscriptionManager(self)  # type: ignore[no-untyped-call] # Dagster's own

    @property
    def local_manager(self) -> LocalComputeLogManager:
        """Where a step's output is while it runs."""
        return self._local

    @property
    def upload_interval(self) -> int:
        """How often a running step's output is copied."""
        return COPY_EVERY_SECONDS

    def delete_logs(self, log_key: Sequence[str] | None = None, prefix: Sequence[str] | None = None) -> None:
        """Let go of a step, or of all below a prefix."""
        self._local.delete_logs(log_key, prefix)
        with self._ledger.write() as transaction:
            printed.delete(transaction, "/".join(log_key or prefix or ()))

    def download_url_for_type(self, log_key: Sequence[str], io_type: ComputeIOType) -> None:
        """There is none: the page shows it all."""

    def display_path_for_type(self, log_key: Sequence[str], io_type: ComputeIOType) -> str:
        """Where the page says that it is from."""
        return f"dagster.printed: {'/'.join(log_key)} ({io_type.value})"

    def cloud_storage_has_logs(self, log_key: Sequence[str], io_type: ComputeIOType, partial: bool = False) -> bool:  # noqa: FBT001, FBT002 - Dagster's signature
        """Whether anything is kept of a step that has ended, or of one that runs."""
        with self._ledger.read() as transaction:
            return printed.is_kept(transaction, "/".join(log_key), io_type.value, complete=not partial)

    def upload_to_cloud_storage(self, log_key: Sequence[str], io_type: ComputeIOType, partial: bool = False) -> None:  # noqa: FBT001, FBT002 - as above
        """Copy what a step has printed. A run does not fail because its output could not be kept: that stays in its file."""
        try:
            content = self._printed_here(log_key, io_type)
            with self._ledger.write() as transaction:
                printed.keep(transaction, "/".join(log_key), io_type.value, content, is_complete=not partial)
        except (OSError, SQLAlchemyError) as error:
            LOG.warning(Event.OUTPUT_NOT_KEPT, extra={"error": type(error).__qualname__})

    def get_log_data_for_type(
        self, log_key: Sequence[str], io_type: ComputeIOType, offset: int, max_bytes: int | None
    ) -> tuple[bytes | None, int]:
        """What was printed, from an offset on, and the next offset: from this machine's file where it has one."""
        if self.has_local_file(log_key, io_type):
            found: tuple[bytes | None, int] = self._local.get_log_data_for_type(log_key, io_type, offset, max_bytes)
            return found
        with self._ledger.read() as transaction:
            content = printed.read(transaction, "/".join(log_key), io_type.value, offset, max_bytes)
        return content, offset + len(content or b"")

    def on_subscribe(self, subscription: CapturedLogSubscription) -> None:
        """Somebody looks at a step that runs."""
        self._subscriptions.add_subscription(subscription)

    def on_unsubscribe(self, subscription: CapturedLogSubscription) -> None:
        """Nobody does any more."""
        self._subscriptions.remove_subscription(subscription)

    def dispose(self) -> None:
        """Let go of files and connections."""
        self._subscriptions.dispose()
        self._local.dispose()
        self._ledger.close()

    def _printed_here(self, log_key: Sequence[str], io_type: ComputeIOType) -> bytes:
        path = Path(self._local.get_captured_local_path(log_key, IO_TYPE_EXTENSION[io_type]))
        if not path.exists():
            return b""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - MOST_BYTES), os.SEEK_SET)
            return file.read(MOST_BYTES)
