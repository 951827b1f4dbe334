"""What the product says of itself while it works: one line an event, its vocabulary, and the one place that takes secrets out.

Modules log through the standard library (`logging.getLogger(…).info(Event.…, extra={…})`); a process that calls `configure`
gets their lines as JSON, or coloured on a terminal, with whatever is bound: `structlog.contextvars.bound_contextvars(
run_id=…, request_id=…, connection=…, channel=…, order_id=…, attempt=…)`. Problems that a person must act on are incidents
(`warehouse.ledger.watch.incidents`), not log lines. https://www.structlog.org/en/stable/standard-library.html
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from contextvars import copy_context
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import orjson

from warehouse.lean_imports import without

with without("rich"):
    import structlog
    from structlog.stdlib import ExtraAdder, ProcessorFormatter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from structlog.typing import EventDict, WrappedLogger

Given = TypeVar("Given")
Result = TypeVar("Result")


class Event(StrEnum):
    """Every event name of our own lines; a log search goes by these words."""

    PULL_FINISHED = "pull_finished"
    PULL_FAILED = "pull_failed"
    NORMALISE_FINISHED = "normalise_finished"
    CONFIRM_FINISHED = "confirm_finished"
    REQUIREMENTS_NOT_ASKED = "requirements_not_asked"
    CLAIMS_LOST = "claims_lost"
    LEASES_NOT_RENEWED = "leases_not_renewed"
    ACCEPTANCE_OVERTAKEN = "acceptance_overtaken"
    FILE_NOT_WHOLE = "file_not_whole"
    FILE_JOB_FAILED = "file_job_failed"
    FILE_JOB_INTERRUPTED = "file_job_interrupted"
    TABLES_PUBLISHED = "tables_published"
    REQUEST_SERVED = "request_served"
    CONTENT_REFUSED = "content_refused"
    LOG_IN_REFUSED = "log_in_refused"
    READER_NOT_NOTED = "reader_not_noted"
    REQUESTS_NOT_COUNTED = "requests_not_counted"
    KEY_NOT_GIVEN_UP = "key_not_given_up"
    PROCESS_ENDED = "process_ended"
    OUTPUT_NOT_KEPT = "output_not_kept"
    SCHEMA_AWAITED = "schema_awaited"
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    PING_SENT = "ping_sent"
    PING_FAILED = "ping_failed"
    PERSONAL_DATA_PURGED = "personal_data_purged"
    ACCOUNT_DELETIONS_CARRIED_OUT = "account_deletions_carried_out"
    DELETION_NOTICE_DROPPED = "deletion_notice_dropped"
    BACKUP_WRITTEN = "backup_written"
    BACKUP_RESTORED = "backup_restored"
    LEDGER_MOVED = "ledger_moved"
    UNEXPECTED_ERROR = "unexpected_error"


class LogFormat(StrEnum):
    """How a line looks: JSON, coloured text, or whichever fits standard error."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """The least important lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


OWN_LOGGERS = ("orders_api", "orders_pipeline", "warehouse")
"""Our packages. A process of somebody else's (Dagster's) is asked to treat only these."""
SERVER_LOGGER = "uvicorn"
URL_LOGGER = "httpx"
"""Tells every URL at `info`, and a URL may be a secret: its lines are not even made."""
HIDDEN = "[hidden]"
SHORTEST_SECRET = 6
"""A shorter one would blacken half of every line."""

SECRET_KEYS = frozenset(
    {
        "access_token",
        "api_key",
        "apikey",
        "authorization",
        "client_secret",
        "cookie",
        "credential",
        "credentials",
        "keys",
    }
    | {"password", "refresh_token", "secret", "set-cookie", "token", "x-amz-access-token"}
)
PERSONAL_KEYS = frozenset(
    {"address", "billing_address", "buyer", "customer", "email", "line_1", "line_2", "line_3", "mobile", "phone"}
    | {"phone_secondary", "postal_code", "recipient", "shipping_address", "telephone"}
    | {"customisation_url", "delivery_instructions", "delivery_point", "gift", "marketplace_data", "references"}
)
"""Members whose value never belongs in a log, whatever it looks like: telephone numbers and names have no shape."""

PATTERNS = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/|-]+=*"), rf"\1 {HIDDEN}"),
    (re.compile(r"\borders_[0-9a-f]{12}_[A-Za-z0-9]+"), f"orders_{HIDDEN}"),
    (re.compile(r"\bAtz[ar]\|[\w+/=.-]+"), HIDDEN),
    (re.compile(r"\bamzn1\.oa2-cs\.[\w.]+"), HIDDEN),
    (re.compile(r"(?i)(://[^\s/:@]*):[^\s/@]+@"), rf"\1:{HIDDEN}@"),
    (
        re.compile(
            r"(?i)\b(access_token|api_?key|client_secret|password|refresh_token|secret|signature|token)"
            r"(['\"]?\s*[=:]\s*['\"]?)[^\s'\"&,;}]+"
        ),
        rf"\1\2{HIDDEN}",
    ),
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), HIDDEN),
)
"""What looks like a secret or an e-mail address wherever it stands, and what becomes of it."""


class Redactor:
    """Takes secrets and personal data out of what is about to be written; the last step before a line is rendered.

    It is a net below the rule, not the rule: code that logs must not hand it any.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: tuple[str, ...] = ()

    def hide(self, secrets: Iterable[str]) -> None:
        """Remember secrets by their value, so that they are found inside any text."""
        fresh = {each for each in secrets if len(each) >= SHORTEST_SECRET}
        if not fresh.difference(self._known):
            return
        with self._lock:
            self._known = tuple(
                sorted(fresh.union(self._known), key=len, reverse=True)
            )  # a longer one may hold a shorter

    def text(self, value: str) -> str:
        """The same text without what it must not show.

        >>> Redactor().text("GET https://u:pw12345@shop.example/x?api_key=abc to someone@example.org")
        'GET https://u:[hidden]@shop.example/x?api_key=[hidden] to [hidden]'
        """
        for secret in self._known:
            if secret in value:
                value = value.replace(secret, HIDDEN)
        for pattern, instead in PATTERNS:
            value = pattern.sub(instead, value)
        return value

    def value(self, value: Any) -> Any:  # noqa: ANN401 - anything that can be logged
        """The same value, members and elements treated alike; what is no JSON value is treated as its text.

        >>> Redactor().value({"phone": "0123", "lines": [{"sku": "A", "password": "x"}]})
        {'phone': '[hidden]', 'lines': [{'sku': 'A', 'password': '[hidden]'}]}
        """
        if isinstance(value, dict):
            return {name: self._member(str(name), each) for name, each in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.value(each) for each in value]
        if value is None or isinstance(value, (bool, int, float)):
            return value
        return self.text(value.decode(errors="replace") if isinstance(value, bytes) else str(value))

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """As a processor of structlog."""
        # structlog's own members, which begin with _, go before rendering
        return {name: each if name.startswith("_") else self._member(name, each) for name, each in event.items()}

    def _member(self, name: str, value: Any) -> Any:  # noqa: ANN401 - as above
        lower = name.lower()
        if value is not None and (lower in SECRET_KEYS or lower in PERSONAL_KEYS):
            return HIDDEN
        return self.value(value)


REDACTOR = Redactor()
"""The one of this process: whoever resolves a secret tells it, so that no line of any library shows it afterwards."""


def configure(form: LogFormat, level: LogLevel, names: Iterable[str] = ("",)) -> None:
    """Write what this process logs to standard error; calling it again changes how.

    Args:
        form: How lines look.
        level: Our own lines from this level on; other libraries' from `warning` on.
        names: The loggers to treat: all of them, or ours alone where the process is somebody else's.
    """
    logging.getLogger(URL_LOGGER).setLevel(logging.WARNING)
    for name in names:
        logger = logging.getLogger(name)
        for old in [each for each in logger.handlers if isinstance(each, _StandardError)]:
            logger.removeHandler(old)
        logger.addHandler(_StandardError(form, level))
        logger.propagate = not name
        if logger.getEffectiveLevel() > logging.getLevelNamesMapping()[level.upper()]:
            logger.setLevel(level.upper())


def carried(function: Callable[[Given], Result]) -> Callable[[Given], Result]:
    """The same function for another thread, with what is bound here at this moment: threads begin with nothing bound."""
    bound = copy_context()
    return lambda given: bound.copy().run(function, given)


def place_of(error: BaseException) -> str:
    """Where an error happened and of what kinds it and its causes are; without their messages, which may quote an order."""
    kinds = []
    cause: BaseException | None = error
    while cause is not None:
        kinds.append(type(cause).__qualname__)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "".join(traceback.format_tb(error.__traceback__)) + " from ".join(kinds)


class _StandardError(logging.StreamHandler[TextIO]):
    """Standard error as it is at the moment of writing."""

    def __init__(self, form: LogFormat, level: LogLevel) -> None:
        logging.Handler.__init__(self, level.upper())
        is_console = form is LogFormat.CONSOLE or (form is LogFormat.AUTO and sys.stderr.isatty())
        self.setFormatter(_formatter(is_console=is_console))
        self.addFilter(_is_wanted)

    @property
    def stream(self) -> TextIO:  # type: ignore[override] # an attribute there
        """Looked up each time: tests and `capture` exchange it."""
        return sys.stderr


def _is_wanted(record: logging.LogRecord) -> bool:
    is_own = record.name.partition(".")[0] in {*OWN_LOGGERS, SERVER_LOGGER}
    return is_own or record.levelno >= logging.WARNING


def _formatter(*, is_console: bool) -> logging.Formatter:
    renderer: Any = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if is_console
        else structlog.processors.JSONRenderer(serializer=_dumps)
    )
    return ProcessorFormatter(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _with_place,
        ],
        processors=[ProcessorFormatter.remove_processors_meta, REDACTOR, renderer],
    )


def _with_place(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The place of an exception instead of the exception."""
    record: logging.LogRecord = event["_record"]
    event.pop("exc_info", None)
    event.pop("stack_info", None)
    event.pop("color_message", None)  # uvicorn's, the same once more
    if record.exc_info and record.exc_info[1] is not None:
        event["exception"] = place_of(record.exc_info[1])
    return event


def _dumps(event: Mapping[str, Any], **_: Any) -> str:  # noqa: ANN401 - structlog's signature
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
