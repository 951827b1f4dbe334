"""What the running API holds: its settings, the open ledger, the key ring, the clock, and the notes it takes on its readers.

Routes reach it through `installation_of`; there is no module state.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from orders_api.kit.latencies import Latencies
from warehouse import documents
from warehouse.kept_documents import open_parties, parties_utf8
from warehouse.ledger.book import consumers, order_queries
from warehouse.ledger.settings import tokens
from warehouse.logs import Event

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request

    from orders_api.kit.auth import Caller
    from orders_api.kit.rate_limits import RateLimiter
    from warehouse.clock import Clock
    from warehouse.documents import StoredOrder
    from warehouse.ledger.base.database import Ledger
    from warehouse.ledger.book.order_queries import RowShape
    from warehouse.ledger.book.order_texts import OrderText
    from warehouse.ledger.exchange.numbering import Numbering
    from warehouse.privacy import KeyRing
    from warehouse.settings import Settings

LOG = logging.getLogger("orders_api")
_NO_PARTIES = documents.NO_PARTIES.encode()
POSITION_NOTED_EVERY = timedelta(seconds=1)
"""A note is a write, which takes longer than the page."""


@dataclass(frozen=True, slots=True)
class ApiInstallation:
    """One installation of the product, as the API sees it.

    Attributes:
        readers: Who was admitted, by the id of the token. What they will ask is foreseen by it, and nothing permitted.
    """

    settings: Settings
    ledger: Ledger
    keys: KeyRing
    clock: Clock
    limiter: RateLimiter
    numbering: Numbering
    latencies: Latencies = field(default_factory=Latencies)
    readers: dict[str, Caller] = field(default_factory=dict)
    _writing: threading.Lock = field(default_factory=threading.Lock)
    _positions_noted: dict[str, datetime] = field(default_factory=dict)

    def shape(self, *, with_parties: bool) -> RowShape[OrderText]:
        """What `texts` takes, for a reader who may see the personal data or may not."""
        if with_parties:
            return order_queries.TEXTS_WITH_PARTIES
        return order_queries.redacted_texts(*documents.redacted_end(self._payload_paths))

    def texts(self, rows: Sequence[OrderText], *, with_parties: bool) -> list[bytes]:
        """Orders that the database has written as JSON texts.

        Args:
            rows: In the `shape` for the same reader.
            with_parties: Whether the reader may see the personal data, which is read with them.

        Raises:
            KeyRingError: The ring lacks the key that something was encrypted with.
        """
        if not with_parties:
            return [row.text for row in rows]
        before_id, after_id = (each.encode() for each in documents.payload_link(self._payload_paths))
        return [
            b"%b%b%b%b" % (documents.whole(row.text, self._parties(row))[:-1], before_id, row.id.encode(), after_id)
            for row in rows
        ]

    def documents(self, rows: Sequence[StoredOrder], sealed: Mapping[str, bytes] | None) -> list[bytes]:
        """The same of rows of members.

        Args:
            rows: From `order_queries`.
            sealed: Their encrypted parties; None where the reader may not see them.

        Raises:
            KeyRingError: The ring lacks the key that something was encrypted with.
        """
        if sealed is None:
            return [self._with_payload_url(row.id, documents.document(row, None)) for row in rows]
        return [
            self._with_payload_url(row.id, documents.document(row, self._parties_text(row.id, sealed.get(row.id))))
            for row in rows
        ]

    def is_position_due(self, caller: Caller) -> bool:
        """Whether the position of a reader that goes on from page to page is to be noted again; its last one always is."""
        now = self.clock()
        noted_at = self._positions_noted.get(caller.consumer)
        if noted_at is not None and now - noted_at < POSITION_NOTED_EVERY:
            return False
        self._positions_noted[caller.consumer] = now
        return True

    def note(self, token: tokens.TokenInfo, position: int | None) -> None:
        """Remember that a token was used, and how far its consumer has read; called when the answer is out.

        Nothing depends on these notes, so a busy ledger costs a note and never a read: while one is being written others
        are left out, and the next request brings them again.
        """
        if not self._writing.acquire(blocking=False):
            return
        now = self.clock()
        try:
            with self.ledger.write() as transaction:
                tokens.note_use(transaction, token.id, now)
                if position is not None:
                    consumers.note_position(transaction, token.consumer, position, now)
        except SQLAlchemyError as error:
            about = {"consumer": token.consumer, "error": type(error).__qualname__}
            LOG.warning(Event.READER_NOT_NOTED, extra=about)
        finally:
            self._writing.release()

    def _with_payload_url(self, order_id: str, document: bytes) -> bytes:
        before_id, after_id = documents.payload_link(self._payload_paths)
        return document[:-1] + f"{before_id}{order_id}{after_id}".encode()

    @property
    def _payload_paths(self) -> str:
        return f"{self.settings.api_path_prefix}/v1/orders"

    def _parties(self, row: OrderText) -> bytes:
        return _NO_PARTIES if row.sealed is None else parties_utf8(self.keys, row.id, row.sealed)

    def _parties_text(self, order_id: str, sealed: bytes | None) -> str:
        return documents.NO_PARTIES if sealed is None else open_parties(self.keys, order_id, sealed)


def installation_of(request: Request) -> ApiInstallation:
    """The installation behind the application that was asked."""
    installation: ApiInstallation = request.app.state.installation
    return installation
