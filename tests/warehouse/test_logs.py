"""Log lines: their shape, what is bound to them, and that secrets and personal data are taken out wherever they stand."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from structlog.contextvars import bound_contextvars

from warehouse.logs import HIDDEN, Event, LogFormat, LogLevel, Redactor, carried, configure, place_of
from warehouse.privacy import new_key, parse_key_ring

TOKEN = "orders_0123456789ab_" + "x" * 43


@pytest.fixture
def lines(capsys):
    """A logger of its own, and what it has written to standard error, as JSON values."""
    name = "orders_pipeline.test_logs"
    configure(LogFormat.JSON, LogLevel.INFO, [name])
    logger = logging.getLogger(name)
    yield logger, lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    logger.propagate = True


def test_a_line_is_one_json_object_with_everything_that_is_bound(lines):
    logger, written = lines
    with bound_contextvars(run_id="r-1", channel="amazon_fr", order_id="o-1", attempt=2):
        logger.info(Event.PULL_FINISHED, extra={"pages": 3})
    (line,) = written()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "pull_finished",
        "level": "info",
        "logger": "orders_pipeline.test_logs",
        "run_id": "r-1",
        "channel": "amazon_fr",
        "order_id": "o-1",
        "attempt": 2,
        "pages": 3,
    }


def accident(name: str, street: str) -> None:
    """An error whose message and whose cause's message are personal."""
    try:
        raise_key_error(name)
    except KeyError as error:
        raise ValueError(street) from error


def raise_key_error(name: str) -> None:
    raise KeyError(name)


def test_an_exception_shows_its_place_and_kind_and_not_its_message(lines):
    logger, written = lines
    try:
        accident("Zoë Ca" + "nari", "3 rue du Ca" + "nari")
    except ValueError:
        logger.exception(Event.UNEXPECTED_ERROR)
    (line,) = written()
    assert "test_logs.py" in line["exception"]
    assert line["exception"].endswith("ValueError from KeyError")
    assert "Canari" not in json.dumps(line)


def test_lines_below_the_level_are_not_written(lines):
    logger, written = lines
    logger.debug(Event.REQUEST_SERVED)
    assert written() == []


def test_line_ends_cannot_forge_a_second_line(lines):
    logger, written = lines
    logger.warning('one\n{"event": "forged"}')
    assert [each["event"] for each in written()] == ['one\n{"event": "forged"}']


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abc.def-123", f"Authorization: Bearer {HIDDEN}"),
        (f"token {TOKEN} refused", f"token orders_{HIDDEN} refused"),
        ("postgresql://orders:s3cr3t-pw@db/x", f"postgresql://orders:{HIDDEN}@db/x"),
        ("GET /x?api_key=abc123&page=2", f"GET /x?api_key={HIDDEN}&page=2"),
        ('{"refresh_token": "Atzr|abc", "n": 1}', f'{{"refresh_token": "{HIDDEN}", "n": 1}}'),
        ("access Atza|IwEB.x-y", f"access {HIDDEN}"),
        ("mail to zoe.canari+x@relay.example.org now", f"mail to {HIDDEN} now"),
        ("nothing to hide: 402-1234567-7654321", "nothing to hide: 402-1234567-7654321"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text, shown):
    assert Redactor().text(text) == shown


@pytest.mark.parametrize("name", ["password", "Authorization", "phone", "shipping_address", "refresh_token"])
def test_members_that_are_secret_or_personal_by_name_are_hidden(name):
    assert Redactor().value([{"in": {name: {"any": "thing"}}}]) == [{"in": {name: HIDDEN}}]


@given(st.text(min_size=6, max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_a_secret_that_is_known_is_hidden_wherever_it_stands(secret, before, after):
    redactor = Redactor()
    redactor.hide([secret])
    shown = redactor.text(f"{before}{secret}{after}")
    assert secret not in shown or secret in HIDDEN or secret in f"{before}{HIDDEN}{after}"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
@example({"_": b""})
def test_anything_can_be_logged(value):
    json.dumps(Redactor().value(value))


def test_key_ring_and_credentials_are_hidden_from_the_moment_they_are_read(lines, tmp_path):
    from warehouse.ledger.base.credentials import resolve_credentials  # noqa: PLC0415 - only here

    logger, written = lines
    pair = new_key()
    keys = parse_key_ring(pair)
    (tmp_path / "key").write_text("qz-very-secret-key")
    resolve_credentials("c", {"api_key": f"file:{tmp_path}/key"}, keys)
    logger.error("keys %s and qz-very-secret-key", pair.partition(":")[2])
    assert [each["event"] for each in written()] == [f"keys {HIDDEN} and {HIDDEN}"]


def test_a_thread_goes_on_with_what_was_bound(lines):
    logger, written = lines
    with bound_contextvars(run_id="r-7"):
        work = carried(lambda number: logger.info(Event.PULL_FINISHED, extra={"pages": number}))
    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted((each["run_id"], each["pages"]) for each in written()) == [("r-7", 0), ("r-7", 1), ("r-7", 2)]


def test_a_cause_that_was_suppressed_is_not_named():
    suppressed = ValueError("x")
    suppressed.__context__ = KeyError("y")
    suppressed.__suppress_context__ = True
    assert place_of(suppressed) == "ValueError"


SCRIPT = """
import logging, sys
from warehouse.logs import LogFormat, LogLevel, configure
configure(LogFormat[sys.argv[1]], LogLevel.INFO)
logging.getLogger("orders_api").info("served")
logging.getLogger("httpx").info("asked")
logging.getLogger("httpx").warning("odd")
"""


@pytest.mark.parametrize("form", ["AUTO", "JSON", "CONSOLE"])
def test_a_process_writes_to_standard_error_in_the_form_that_was_asked_for(form):
    done = subprocess.run([sys.executable, "-c", SCRIPT, form], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert ("served" in done.stderr, "odd" in done.stderr, "asked" in done.stderr) == (True, True, False)
    assert done.stderr.startswith("{") is (form != "CONSOLE")
