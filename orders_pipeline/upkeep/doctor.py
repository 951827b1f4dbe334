"""Everything that a support engineer would ask first, answered by looking: each part ok, warn or fail, with what to do.

It changes nothing: no schema is migrated, no key is made, no marketplace is asked. Trying a connection is `orders connections
test`, checking a backup `orders verify`.
"""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import stat
import sys
from contextlib import closing, suppress
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from ipaddress import ip_address
from time import monotonic
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import httpx
import sqlalchemy as sa

from orders_pipeline.marketplaces.errors import Permanent
from orders_pipeline.marketplaces.registry import KINDS, MARKETPLACES, NOT_LOADED
from orders_pipeline.marketplaces.settings import read_settings
from orders_pipeline.marketplaces.tls import secure
from orders_pipeline.upkeep.dagster_findings import dagster_findings
from orders_pipeline.upkeep.findings import DoctorFinding, DoctorVerdict, Patient, age, graded, hint_if
from warehouse import restore_mark
from warehouse.archive import shelf_of
from warehouse.lake.attachment import LakeMovedError, connect_reader
from warehouse.lake.outages import LakeEmptyError, LakeError, LakeUnreachableError
from warehouse.lake.retired_documents import LakeDocuments
from warehouse.ledger.base import leases
from warehouse.ledger.base.credentials import SecretMissing, resolve_credentials
from warehouse.ledger.base.database import POSITION, SCHEMA_HEAD, Ledger, mark, schema_version, unchecked_ledger
from warehouse.ledger.book import account_deletions, personal_data, raw_orders
from warehouse.ledger.book.retired_orders import RetiredOrdersUnreadable, facts_of, some_retired
from warehouse.ledger.settings import channels
from warehouse.ledger.status import channel_status, keys
from warehouse.ledger.status.channel_status import ChannelState
from warehouse.ledger.watch.incident_queries import count_open, find_incidents
from warehouse.marketplace_kinds import missing_credentials
from warehouse.privacy import KeyRing, KeyRingError, has_key_ring, key_file, open_key_ring
from warehouse.processes import is_gone
from warehouse.restore_mark import RestoreUnfinishedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from warehouse.clock import Clock
    from warehouse.settings import Settings

LEAST_FREE_BYTES, COMFORTABLE_FREE_BYTES = 200_000_000, 2_000_000_000
CLOCK_WARN_SECONDS, CLOCK_FAIL_SECONDS = 60, 300
PURGE_GRACE = timedelta(days=2)
"""The daily purge may have been missed once."""
SILENT = timedelta(minutes=1)
"""Whoever works renews its leases more than twice within it."""
NOTICE_DAYS = 30
"""A notice of a deleted account may wait so long for the buyer's open orders."""
PACKAGES = ("orders-syndication", "dagster", "duckdb", "sqlalchemy", "fastapi", "httpx", "cryptography")
OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO


_WORST_FIRST = (DoctorVerdict.FAIL, DoctorVerdict.WARN, DoctorVerdict.OK)


RETIRED_TRIED = 100
"""So many retired orders are read."""
INTEGRITY_SECONDS = 5.0
"""So long the ledger's file is looked through: some gigabytes; however large it is, the doctor has an answer."""
STEPS_BETWEEN_LOOKS = 10_000
"""SQLite's instructions between two looks at the clock."""


def examine(settings: Settings, clock: Clock) -> list[DoctorFinding]:
    """Look at everything, what is wrong first; a part that cannot be looked at is a finding, and stops no other."""
    ring, key_ring = _keys(settings)
    is_restored = restore_mark.file_of(settings).exists()
    ledger, database = (None, [_being_restored()]) if is_restored else _ledger(settings)
    patient = Patient(settings, clock(), ring, ledger)
    try:
        found = [*_versions(), *key_ring, *database, *(each for look in _LOOKS for each in _guarded(look, patient))]
        return sorted(found, key=lambda each: _WORST_FIRST.index(each.verdict))
    finally:
        if ledger is not None:
            ledger.close()


def _guarded(look: Callable[[Patient], Iterator[DoctorFinding]], patient: Patient) -> list[DoctorFinding]:
    part = look.__name__.strip("_").replace("_", " ")
    try:
        return list(look(patient))
    except Exception as error:  # noqa: BLE001 - a broken part must not hide the others
        return [
            DoctorFinding(
                part, DoctorVerdict.FAIL, f"cannot be looked at: {type(error).__name__}", "see the other findings first"
            )
        ]


def _versions() -> list[DoctorFinding]:
    def installed(name: str) -> str:
        try:
            return version(name)
        except PackageNotFoundError:
            return "not installed"

    versions = ", ".join(f"{name} {installed(name)}" for name in PACKAGES)
    machine = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.platform(terse=True)}"
    return [DoctorFinding("versions", DoctorVerdict.OK, versions), DoctorFinding("machine", DoctorVerdict.OK, machine)]


def _keys(settings: Settings) -> tuple[KeyRing | None, list[DoctorFinding]]:
    path = key_file(settings)
    if not has_key_ring(settings) and settings.keys_file is None and not settings.is_postgresql:
        return None, [DoctorFinding("key ring", DoctorVerdict.OK, "none yet: it is made at first use")]
    try:
        ring = open_key_ring(settings)
    except (KeyRingError, OSError) as error:
        return None, [
            DoctorFinding("key ring", DoctorVerdict.FAIL, str(error), "without it personal data and secrets are lost")
        ]
    source = "ORDERS_KEYS" if settings.keys is not None else str(path)
    finding = DoctorFinding(
        "key ring", DoctorVerdict.OK, f"{len(ring.ciphers)} keys from {source}, {ring.active} encrypts"
    )
    if settings.keys is None and path.stat().st_mode & OPEN_TO_OTHERS:
        mode = stat.filemode(path.stat().st_mode)
        return ring, [finding, DoctorFinding("key file", DoctorVerdict.FAIL, f"{path} is {mode}", f"chmod 600 {path}")]
    return ring, [finding]


def _being_restored() -> DoctorFinding:
    return DoctorFinding("ledger", DoctorVerdict.FAIL, str(RestoreUnfinishedError()), "`orders restore FOLDER`")


def _ledger(settings: Settings) -> tuple[Ledger | None, list[DoctorFinding]]:
    if not settings.is_postgresql and not (settings.home / "ledger.sqlite").exists():
        return None, [
            DoctorFinding("ledger", DoctorVerdict.WARN, "there is none yet", "`orders apply -f orders.yaml` makes it")
        ]
    ledger = unchecked_ledger(settings, retired=LakeDocuments(settings))
    try:
        found = schema_version(ledger)
        with ledger.read() as transaction:
            is_restored = settings.is_postgresql and restore_mark.has_table(transaction)
    except sa.exc.DBAPIError as error:
        ledger.close()
        return None, [
            DoctorFinding(
                "ledger", DoctorVerdict.FAIL, f"cannot be read: {error.orig}", "check the database and the disk"
            )
        ]
    where = "PostgreSQL" if settings.is_postgresql else str(settings.home / "ledger.sqlite")
    if is_restored:
        ledger.close()
        return None, [_being_restored()]
    if found == SCHEMA_HEAD:
        return ledger, [DoctorFinding("ledger", DoctorVerdict.OK, f"{where}, migration {found}")]
    ledger.close()
    if found is None or found < SCHEMA_HEAD:
        seen = f"{where} is at migration {found or 'none'}, this release at {SCHEMA_HEAD}"
        return None, [DoctorFinding("ledger", DoctorVerdict.FAIL, seen, "back up, then `orders migrate`")]
    return None, [
        DoctorFinding("ledger", DoctorVerdict.FAIL, f"{where} is of a newer release ({found})", "install that release")
    ]


def _sealed_data(patient: Patient) -> Iterator[DoctorFinding]:
    if patient.ledger is None:
        return
    with patient.ledger.read() as transaction:
        problem = keys.cannot_open(transaction, patient.keys)
    if problem:
        yield DoctorFinding(
            "sealed data", DoctorVerdict.FAIL, problem, "bring back the key ring that belongs to this ledger"
        )
    elif patient.keys is not None:
        yield DoctorFinding("sealed data", DoctorVerdict.OK, "the newest and the oldest open")


def _home(patient: Patient) -> Iterator[DoctorFinding]:
    home = patient.settings.home.absolute()
    if not home.exists():
        yield DoctorFinding("home", DoctorVerdict.WARN, f"{home} is not there yet", "it is made at first use")
    elif home.stat().st_mode & stat.S_IWOTH:
        yield DoctorFinding("home", DoctorVerdict.FAIL, f"everybody may write to {home}", f"chmod o-w {home}")
    elif not os.access(home, os.W_OK | os.X_OK):
        yield DoctorFinding("home", DoctorVerdict.FAIL, f"{home} cannot be written by this user", "run as its owner")
    else:
        yield DoctorFinding("home", DoctorVerdict.OK, f"{home}, {stat.filemode(home.stat().st_mode)}")
    free = shutil.disk_usage(next(each for each in (home, *home.parents) if each.exists())).free
    verdict = graded(free < COMFORTABLE_FREE_BYTES, free < LEAST_FREE_BYTES)
    yield DoctorFinding(
        "disk", verdict, f"{free / 1e9:.1f} GB free", "" if verdict is DoctorVerdict.OK else "make room"
    )


def _time_zone(patient: Patient) -> Iterator[DoctorFinding]:
    name = patient.settings.time_zone
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        yield DoctorFinding(
            "time zone", DoctorVerdict.FAIL, f"there is no time zone {name!r}", "correct ORDERS_TIME_ZONE"
        )


def _integrity(patient: Patient) -> Iterator[DoctorFinding]:
    if patient.settings.is_postgresql or patient.ledger is None:
        return
    path = patient.settings.home / "ledger.sqlite"
    size, ends_at = f"{path.stat().st_size / 1e6:.0f} MB", monotonic() + INTEGRITY_SECONDS
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        database.set_progress_handler(lambda: monotonic() > ends_at, STEPS_BETWEEN_LOOKS)
        try:
            [(answer,), *_] = database.execute("PRAGMA quick_check(1)").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            said = f"SQLite found no damage in the first {INTEGRITY_SECONDS:.0f} s, and did not get through {size}"
            yield DoctorFinding("integrity", DoctorVerdict.OK, said, "`orders verify` looks through all of a backup")
            return
    if answer == "ok":
        yield DoctorFinding("integrity", DoctorVerdict.OK, f"SQLite finds no damage in {size}")
    else:
        yield DoctorFinding("integrity", DoctorVerdict.FAIL, answer, "stop everything, and restore the last backup")


def _connections(patient: Patient) -> Iterator[DoctorFinding]:
    for name, reason in NOT_LOADED.items():
        yield DoctorFinding(
            f"marketplace {name}", DoctorVerdict.FAIL, reason, "repair or remove the package that brings it"
        )
    if patient.ledger is None:
        return
    with patient.ledger.read() as transaction:
        found = channels.all_connections(transaction)
    if not found:
        yield DoctorFinding("connections", DoctorVerdict.WARN, "there are none yet", "`orders apply -f orders.yaml`")
    for each in found:
        yield _connection(patient, each)
        skew = float(each.state.get("clock_skew_seconds", 0.0))
        verdict = graded(abs(skew) > CLOCK_WARN_SECONDS, abs(skew) > CLOCK_FAIL_SECONDS)
        if verdict is not DoctorVerdict.OK:
            seen = f"{each.code}'s clock and ours are {abs(skew):.0f} s apart"
            yield DoctorFinding("clock", verdict, seen, "let NTP set this machine's clock")


def _connection(patient: Patient, connection: channels.Connection) -> DoctorFinding:
    part = f"connection {connection.code}"
    marketplace = MARKETPLACES.get(connection.kind)
    if marketplace is None:
        return DoctorFinding(
            part, DoctorVerdict.FAIL, f"there is no marketplace {connection.kind!r}", "correct orders.yaml"
        )
    try:
        if connection.endpoint:
            secure(connection.endpoint, "correct orders.yaml: an https address")
        read_settings(marketplace.settings, connection.settings)
    except Permanent as error:
        return DoctorFinding(part, DoctorVerdict.FAIL, error.message, error.hint)
    missing = missing_credentials(KINDS[connection.kind], connection.credentials)
    if missing:
        return DoctorFinding(
            part, DoctorVerdict.FAIL, f"lacks {', '.join(missing)}", f"`orders connections secret {connection.code} …`"
        )
    if patient.keys is None:
        return DoctorFinding(
            part, DoctorVerdict.FAIL, "its secrets cannot be opened without the key ring", "see key ring"
        )
    try:
        resolve_credentials(connection.code, connection.credentials, patient.keys)
    except (SecretMissing, KeyRingError) as error:
        return DoctorFinding(
            part, DoctorVerdict.FAIL, str(error), "set the variable, write the file, or type the secret again"
        )
    seen = "nothing to ask: its orders are given to us" if marketplace.takes_orders else "every credential is there"
    return DoctorFinding(part, DoctorVerdict.OK, f"{connection.kind}, {seen}")


def _channels(patient: Patient) -> Iterator[DoctorFinding]:
    if patient.ledger is None:
        return
    with patient.ledger.read() as transaction:
        found = channel_status.standings(transaction, None, patient.now)
    for each in found:
        seen = (
            each.state if each.lag_seconds is None else f"{each.state}, {age(each.lag_seconds) / 60:.0f} minutes behind"
        )
        seen += ", open orders only" if each.open_orders_only else ""
        is_bad = each.state in {ChannelState.LATE, ChannelState.FAILING}
        verdict = graded(each.state in {ChannelState.NEW, ChannelState.THROTTLED} or is_bad, is_bad)
        hint = {
            ChannelState.FAILING: "`orders incidents list`",
            ChannelState.LATE: "is the pipeline running? `orders pull` by hand",
        }
        yield DoctorFinding(f"channel {each.channel}", verdict, seen, hint.get(each.state, ""))
        if each.held:
            message = f"{each.held} are held: the marketplace is told of none of them"
            yield DoctorFinding(f"shipments {each.channel}", DoctorVerdict.WARN, message, _HELD_HINT)
        elif not each.confirmation and each.state is not ChannelState.OFF:
            message = "confirmation is off: shipments will be held"
            yield DoctorFinding(f"shipments {each.channel}", DoctorVerdict.OK, message, _HELD_HINT)


_HELD_HINT = "`orders channels set CODE --confirmation`, then `orders shipments release CODE` or `skip CODE`"


def _problems(patient: Patient) -> Iterator[DoctorFinding]:
    if patient.ledger is None:
        return
    with patient.ledger.read() as transaction:
        open_incidents = count_open(transaction)
        aside = raw_orders.count_quarantined(transaction)
        worst = find_incidents(transaction, limit=1)
    newest = f", the newest: {worst[0].subject}: {worst[0].code}" if worst else ""
    yield DoctorFinding(
        "incidents",
        graded(open_incidents > 0),
        f"{open_incidents} open{newest}",
        hint_if(open_incidents, "`orders incidents list`"),
    )
    yield DoctorFinding("quarantine", graded(aside > 0), f"{aside} payloads", hint_if(aside, "`orders quarantine`"))


def _leases(patient: Patient) -> Iterator[DoctorFinding]:
    if patient.ledger is None:
        return
    with patient.ledger.read() as transaction:
        held = leases.live(transaction, patient.now)
    for each in held:
        silent = leases.LENGTH - (each.expires_at - patient.now)
        if is_gone(each.holder):
            if each.name.startswith(leases.OF_RUNS):  # what has become of a run Dagster tells
                continue
            seen = f"{each.name} is held by {each.holder}, which has ended"
            yield DoctorFinding("leases", DoctorVerdict.WARN, seen, "nothing: the next one takes it over")
        elif silent > SILENT:
            seen = f"{each.name} is held by {each.holder}, which has not renewed it for {silent.total_seconds():.0f} s"
            hint = "it stands still or cannot reach the ledger: soon the next one takes over; else the clocks differ"
            yield DoctorFinding("leases", DoctorVerdict.WARN, seen, hint)
    yield DoctorFinding(
        "leases", DoctorVerdict.OK, ", ".join(f"{each.name} by {each.holder}" for each in held) or "none is held"
    )


def _archive(patient: Patient) -> Iterator[DoctorFinding]:
    if patient.settings.archive_data is None:
        return
    try:
        shelf_of(patient.settings).has("0" * 64)
    except OSError as error:
        yield DoctorFinding("archive", DoctorVerdict.FAIL, str(error), "files go neither in nor out meanwhile")
    else:
        yield DoctorFinding("archive", DoctorVerdict.OK, f"{patient.settings.archive_data} answers")


def _personal_data(patient: Patient) -> Iterator[DoctorFinding]:
    if patient.ledger is None:
        return
    before = patient.now - timedelta(days=patient.settings.pii_retention_days) - PURGE_GRACE
    overdue = personal_data.due(patient.ledger, shelf_of(patient.settings), before)
    with patient.ledger.read() as transaction:
        first = personal_data.oldest(transaction)
    oldest = (
        "there is none"
        if first is None
        else f"the oldest is {age((patient.now - first).total_seconds()) // 86_400:.0f} days old"
    )
    if overdue:
        seen = f"{overdue.orders} orders, {overdue.payloads} payloads and {overdue.files} files are overdue; {oldest}"
        yield DoctorFinding(
            "personal data", DoctorVerdict.FAIL, seen, "`orders purge --yes`; does the job purge_personal_data run?"
        )
    else:
        yield DoctorFinding("personal data", DoctorVerdict.OK, f"nothing is overdue; {oldest}")
    with patient.ledger.read() as transaction:
        waiting, since = account_deletions.count(transaction), account_deletions.oldest(transaction)
    if since is not None:
        days = age((patient.now - since).total_seconds()) // 86_400
        yield DoctorFinding(
            "account deletions",
            graded(days > NOTICE_DAYS),
            f"{waiting} notices are not carried out, the oldest for {days:.0f} days",
            hint_if(days > NOTICE_DAYS, "`orders purge --yes`; those whose buyer has an open order wait for its end"),
        )


def _order_tables(patient: Patient) -> Iterator[DoctorFinding]:
    try:
        with connect_reader(patient.settings) as lake:
            through = dict(lake.execute("SELECT name, through FROM published").fetchall()).get("orders", 0)
    except LakeEmptyError:
        yield DoctorFinding("order tables", DoctorVerdict.WARN, "nothing was published yet", "`orders tables publish`")
        return
    except (LakeMovedError, LakeUnreachableError) as error:
        yield DoctorFinding("order tables", DoctorVerdict.FAIL, str(error), "the ledger goes on meanwhile")
        return
    except LakeError as error:
        yield DoctorFinding(
            "order tables",
            DoctorVerdict.FAIL,
            str(error).partition("\n")[0],
            "restore them, or `orders tables rebuild`",
        )
        return
    if patient.ledger is None:
        return
    with patient.ledger.read() as transaction:
        behind = mark(transaction, POSITION) - through
    if behind < 0:
        seen = "they are ahead of the ledger, which was restored"
        yield DoctorFinding("order tables", DoctorVerdict.FAIL, seen, "`orders tables rebuild`")
    else:
        yield DoctorFinding("order tables", DoctorVerdict.OK, f"{behind} changes behind the ledger")


def _retired_orders(patient: Patient) -> Iterator[DoctorFinding]:
    if patient.ledger is None:
        return
    with patient.ledger.read() as transaction:
        ids = some_retired(transaction, RETIRED_TRIED)
        if not ids:
            return
        try:
            facts_of(transaction, ids)
        except RetiredOrdersUnreadable as error:
            yield DoctorFinding("retired orders", DoctorVerdict.FAIL, error.message, "they are nowhere else")
        else:
            yield DoctorFinding("retired orders", DoctorVerdict.OK, f"{len(ids)} were read from the order tables")


def _api(patient: Patient) -> Iterator[DoctorFinding]:
    host = patient.settings.api_host
    with suppress(ValueError):  # a name
        host = "127.0.0.1" if ip_address(host).is_unspecified else host
    url = f"http://{f'[{host}]' if ':' in host else host}:{patient.settings.api_port}/readyz"
    try:
        answer = httpx.get(url, timeout=2.0, trust_env=False)
    except httpx.HTTPError as error:
        yield DoctorFinding(
            "API", DoctorVerdict.WARN, f"{url}: {type(error).__name__}", "`orders api`, if it is meant to run here"
        )
        return
    ready = answer.is_success
    yield DoctorFinding(
        "API",
        graded(not ready, not ready),
        f"{url}: {answer.status_code}",
        hint_if(not ready, "its answer names the check"),
    )


def _programs(patient: Patient) -> Iterator[DoctorFinding]:
    if patient.settings.is_postgresql and shutil.which("pg_dump") is None:
        yield DoctorFinding(
            "backups", DoctorVerdict.WARN, "pg_dump is not on PATH", "install PostgreSQL's client programs"
        )
    if sys.prefix == sys.base_prefix:
        yield DoctorFinding(
            "environment", DoctorVerdict.WARN, "not in a virtual environment", "other software may change ours"
        )


_LOOKS: Sequence[Callable[[Patient], Iterator[DoctorFinding]]] = (
    _sealed_data,
    _home,
    _time_zone,
    _integrity,
    _connections,
    _channels,
    _problems,
    _leases,
    _archive,
    _personal_data,
    _order_tables,
    _retired_orders,
    _api,
    dagster_findings,
    _programs,
)
