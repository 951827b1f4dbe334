"""Hints: what a marketplace tells of changes of its orders, by which the next pull may come sooner.

Here is what a kind brings for that. When a hint leads to a pull is in `orders_pipeline.stages.hints`; a hint is never
believed about an order, and a kind whose hints fail is read by its pulls as ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from orders_pipeline.marketplaces.protocol import ConnectionContext, Finding


class HintFate(StrEnum):
    """What becomes of a message: kept, of somebody else's orders or of something else, or not readable."""

    KEPT = "kept"
    FOREIGN = "foreign"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Hint:
    """One message.

    Attributes:
        receipt: What it is discarded by.
        fate: What it is worth.
        changed_at: When the order changed, by the marketplace's clock; None when it does not say.
    """

    receipt: str
    fate: HintFate
    changed_at: datetime | None = None


class HintReader(Protocol):
    """Reads the messages that wait for one connection. Each call ends within seconds, and none waits for a message to come."""

    def receive(self) -> Sequence[Hint]:
        """Some of the messages that wait, () when there seem to be none; one that is not discarded comes again.

        Raises:
            MarketplaceError: They could not be asked for. Never `Throttled`, which is about the marketplace's own calls.
        """
        ...

    def discard(self, receipts: Sequence[str]) -> None:
        """Let go of messages that were received.

        Raises:
            MarketplaceError: Some of them may come again.
        """
        ...

    def test(self) -> Finding:
        """Whether messages can be received; never raises for what is set wrong. Its `part` is `hints`."""
        ...

    def close(self) -> None:
        """Let go of sockets."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """How connections of a kind are told of changes.

    Attributes:
        is_on: Whether a connection with these settings is told.
        open: Opens what reads the messages.
        credentials: The secrets that nothing else needs: pulls go on without them.
        listing: The operation whose quota a pull takes: one that a hint asks for leaves half of its burst to the ticks.
    """

    is_on: Callable[[Mapping[str, Any]], bool]
    open: Callable[[ConnectionContext], HintReader]
    credentials: frozenset[str] = frozenset()
    listing: str
