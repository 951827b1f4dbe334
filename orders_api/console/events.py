"""Telling open pages that the book has moved (server-sent events: HTML Living Standard, 9.2). Pages work without it.

Each answer lasts a few seconds and is asked for again by the browser, from the position that it has heard of: so a session that
has ended hears nothing more, and nothing holds up a process that is to stop. However many listen, the ledger is asked once.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import orjson
from anyio import to_thread
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from orders_api.console.kit import visits
from orders_api.console.kit.pages import page_readers
from orders_api.console.kit.rendering import NO_STORE
from orders_api.console.kit.texts import _
from orders_api.kit.errors import Problem
from orders_api.kit.installation import installation_of
from warehouse.ledger.book import news

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import TypeVar

    from sqlalchemy.engine import Connection as Transaction
    from starlette.requests import Request

    from orders_api.kit.installation import ApiInstallation
    from warehouse.ledger.book.news import Movement

    Answer = TypeVar("Answer")

PATH = "/events"
POSITION = re.compile(r"[0-9]{1,18}")
MOST_LISTENERS = 50
"""In one process; beyond it a page shows its age and nothing else."""
LOOK_SECONDS = 2.0
LASTS_SECONDS = 14.0
"""Less than a process is given to stop."""


@dataclass(slots=True)
class Listeners:
    """Who listens in this process, and what it knows of the book."""

    count: int = 0
    position: int = 0
    asking: asyncio.Task[int] | None = None

    async def look(self, installation: ApiInstallation) -> int:
        """The newest position; those who look at once share one question."""
        if self.asking is None or self.asking.done():
            self.asking = asyncio.create_task(_read(installation, news.newest_position))
        self.position = await self.asking
        return self.position


async def listen(request: Request) -> Response:
    """Answer with what happens to the reader's channels for a while.

    Raises:
        Problem: 401 `not_logged_in`; 503 `too_many_listeners`.
    """
    installation, listeners = installation_of(request), _listeners(request)
    if listeners.count >= MOST_LISTENERS:
        raise Problem(503, "too_many_listeners", _("Too many pages listen."), headers={"Retry-After": "60"})
    visit = await _read(installation, lambda transaction: visits.find_visit(request, transaction, installation))
    if visit is None:
        raise Problem(401, "not_logged_in", _("The session is over. Log in again."))
    heard = request.headers.get("last-event-id", "")
    known = int(heard) if POSITION.fullmatch(heard) else await listeners.look(installation)
    happenings = _happenings(installation, listeners, known, visit.visible_channels)
    return StreamingResponse(happenings, headers=NO_STORE, media_type="text/event-stream")


routes = [Route(PATH, listen)]


async def _happenings(
    installation: ApiInstallation, listeners: Listeners, known: int, channels: tuple[str, ...] | None
) -> AsyncIterator[bytes]:
    listeners.count += 1
    try:
        yield b"retry: 1000\nid: %d\ndata:\n\n" % known
        for _look in range(int(LASTS_SECONDS / LOOK_SECONDS)):
            if await listeners.look(installation) > known:
                found = await _read(installation, partial(news.news_since, position=known, channels=channels))
                known = found.position
                yield _event(found)
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        listeners.count -= 1


def _event(found: Movement) -> bytes:
    said = {"new": found.new, "changed": found.changed, "is_more": found.is_more}
    name = b"orders" if found.new or found.changed else b"nothing"  # of the reader's channels
    return b"event: %s\nid: %d\ndata: %s\n\n" % (name, found.position, orjson.dumps(said))


async def _read(installation: ApiInstallation, question: Callable[[Transaction], Answer]) -> Answer:
    def ask() -> Answer:
        with installation.ledger.read() as transaction:
            return question(transaction)

    return await to_thread.run_sync(ask, limiter=page_readers())


def _listeners(request: Request) -> Listeners:
    listeners: Listeners = request.app.state.listeners
    return listeners
