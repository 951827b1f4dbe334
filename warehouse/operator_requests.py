"""What an operator may ask of the pipeline, which alone talks to marketplaces and storages: the kinds, and one request.

Where they are kept is `warehouse.ledger.people.operator_requests`; who carries them out is `orders_pipeline.requests`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any


class RequestKind(StrEnum):
    """What is asked."""

    TEST_CONNECTION = "test_connection"
    TEST_STORAGE = "test_storage"
    TEST_RECIPIENT = "test_recipient"
    BROWSE = "browse"
    PULL = "pull"
    FETCH = "fetch"
    REPLAY = "replay"
    CONFIRM = "confirm"
    EXPORT = "export"
    IMPORT = "import"
    BULK = "bulk"


class SubjectKind(StrEnum):
    """What a request is about."""

    CONNECTION = "connection"
    CHANNEL = "channel"
    STORAGE = "storage"
    RECIPIENT = "recipient"
    CHANNELS = "channels"


@dataclass(frozen=True, slots=True)
class RequestRule:
    """What holds of a kind of request.

    Attributes:
        subject: What it is about.
        is_light: Whether it is over in seconds: a person waits for it, and no run is started for it.
        arguments: Names of the arguments that it takes.
        meaning: What is done, in a few words.
    """

    subject: SubjectKind
    is_light: bool
    arguments: Sequence[str]
    meaning: str


RULES: Mapping[RequestKind, RequestRule] = {
    RequestKind.TEST_CONNECTION: RequestRule(
        SubjectKind.CONNECTION, is_light=True, arguments=(), meaning="try its credentials and name what is wrong"
    ),
    RequestKind.TEST_STORAGE: RequestRule(
        SubjectKind.STORAGE,
        is_light=True,
        arguments=("folder",),
        meaning="write, rename, list, read and remove a file there",
    ),
    RequestKind.TEST_RECIPIENT: RequestRule(
        SubjectKind.RECIPIENT, is_light=True, arguments=(), meaning="send a test message"
    ),
    RequestKind.BROWSE: RequestRule(
        SubjectKind.STORAGE, is_light=True, arguments=("folder",), meaning="list the folders and files of a folder"
    ),
    RequestKind.PULL: RequestRule(
        SubjectKind.CONNECTION,
        is_light=False,
        arguments=("since",),
        meaning="read new and changed orders now, or everything since a time",
    ),
    RequestKind.FETCH: RequestRule(
        SubjectKind.CONNECTION, is_light=False, arguments=("original_ids",), meaning="read orders again, by their ids"
    ),
    RequestKind.REPLAY: RequestRule(
        SubjectKind.CONNECTION,
        is_light=False,
        arguments=("original_ids",),
        meaning="normalise what is kept of its orders again",
    ),
    RequestKind.CONFIRM: RequestRule(
        SubjectKind.CONNECTION, is_light=False, arguments=(), meaning="tell the marketplace of shipments that are due"
    ),
    RequestKind.EXPORT: RequestRule(
        SubjectKind.CHANNEL, is_light=False, arguments=(), meaning="write the order file that is due next"
    ),
    RequestKind.IMPORT: RequestRule(
        SubjectKind.CHANNEL, is_light=False, arguments=(), meaning="read the shipment files that have come"
    ),
    RequestKind.BULK: RequestRule(
        SubjectKind.CHANNELS, is_light=False, arguments=(), meaning="do one thing to many orders that were chosen"
    ),
}
LIGHT = tuple(kind for kind, rule in RULES.items() if rule.is_light)
HEAVY = tuple(kind for kind, rule in RULES.items() if not rule.is_light)

MOST_IDS = 100
"""Orders that one request may name."""
LONGEST_ID, LONGEST_FOLDER = 100, 500
"""Characters."""


class RequestProgress(StrEnum):
    """How far a request has come."""

    ASKED = "asked"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"


EXPIRES_AFTER = timedelta(hours=1)
"""Nobody waits any more for what no pipeline has taken up by then."""


@dataclass(frozen=True, slots=True)
class OperatorRequest:
    """One request.

    Attributes:
        id: Its id.
        kind: What is asked.
        subject: Code of the connection, channel, storage or recipient; the channels of many orders.
        arguments: What else was said, checked by `checked_arguments`.
        asked_by: Who asked: a user, an API token's consumer, or the user of a shell.
        asked_at: When.
        state: How far it has come.
        claims: How often a process has taken it up; the claim is lost when this has grown meanwhile.
        claimed_at: When it was taken up last.
        finished_at: When it ended.
        result: What came of it, or has so far where it takes many steps. Of a failure: `code`, `message`, `hint`.
    """

    id: str
    kind: RequestKind
    subject: str
    arguments: Mapping[str, Any]
    asked_by: str
    asked_at: datetime
    state: RequestProgress
    claims: int
    claimed_at: datetime | None = None
    finished_at: datetime | None = None
    result: Mapping[str, Any] = field(default_factory=dict)


class ArgumentInvalid(ValueError):
    """An argument of a request cannot be used; `argument` names it."""

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(message)
        self.argument = argument
        self.message = message


def checked_arguments(kind: RequestKind, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a request in their one form.

    Raises:
        ArgumentInvalid: One is unknown, missing, or of the wrong type; or the kind is asked in a way of its own.

    >>> checked_arguments(RequestKind.FETCH, {"original_ids": ["B", "A", "B"]})
    {'original_ids': ['A', 'B']}
    >>> checked_arguments(RequestKind.BROWSE, {})
    {'folder': ''}
    """
    if kind is RequestKind.BULK:
        raise ArgumentInvalid("kind", "the orders have to be chosen: POST /v1/orders/bulk does, and orders bulk")
    allowed = RULES[kind].arguments
    for name in given:
        if name not in allowed:
            raise ArgumentInvalid(name, f"{kind} takes {' and '.join(allowed) or 'no arguments'}")
    checked: dict[str, Any] = {}
    if "folder" in allowed:
        checked["folder"] = _folder(given.get("folder", ""))
    if "original_ids" in allowed:
        checked["original_ids"] = _original_ids(given.get("original_ids"))
    if given.get("since") is not None:
        checked["since"] = _since(given["since"])
    return checked


def _folder(given: object) -> str:
    if not isinstance(given, str) or len(given) > LONGEST_FOLDER:
        raise ArgumentInvalid("folder", f"a path of at most {LONGEST_FOLDER} characters")
    return given


def _original_ids(given: object) -> list[str]:
    if not isinstance(given, list | tuple) or not given:
        raise ArgumentInvalid("original_ids", "a list of marketplace order ids")
    if len(given) > MOST_IDS:
        raise ArgumentInvalid("original_ids", f"at most {MOST_IDS} orders at once")
    if not all(isinstance(each, str) and 0 < len(each) <= LONGEST_ID for each in given):
        raise ArgumentInvalid("original_ids", f"each a text of at most {LONGEST_ID} characters")
    return sorted(set(given))


def _since(given: object) -> str:
    try:
        moment = datetime.fromisoformat(given) if isinstance(given, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ArgumentInvalid("since", "a time with its zone, such as 2026-01-31T00:00:00Z")
    return moment.isoformat()
