"""Work at one connection: a client that takes quota first, and what a failure there comes to.

The same for every stage: a defect, an unknown kind or an outage at one connection is its result and its incident, and stops no
other. What a stage does there is that stage's module; how a marketplace is called is in `orders_pipeline.marketplaces`.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import sqlalchemy as sa
from structlog.contextvars import bound_contextvars

from orders_pipeline.marketplaces.errors import MarketplaceError, Permanent, Throttled, Transient, Unauthorised
from orders_pipeline.marketplaces.protocol import ConnectionContext
from orders_pipeline.marketplaces.registry import MARKETPLACES
from orders_pipeline.marketplaces.settings import read_settings
from orders_pipeline.marketplaces.tls import secure
from warehouse.ledger.base import quotas
from warehouse.ledger.base.credentials import SecretMissing, resolve_credentials
from warehouse.ledger.settings import channels as book
from warehouse.ledger.watch import incidents
from warehouse.logs import Event, carried, place_of
from warehouse.privacy import KeyRingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from orders_pipeline.installation import Installation
    from orders_pipeline.marketplaces.hints import HintReader
    from orders_pipeline.marketplaces.protocol import Client, Consenting, DeletionReader, Marketplace, Rate
    from warehouse.ledger.settings.channels import ConfiguredChannel, Connection

logger = logging.getLogger("orders_pipeline.stages.connection")

LONGEST_QUOTA_WAIT = 45.0
"""Seconds a call waits for quota; a longer wait fails the work, which the next run tries again."""

Result = TypeVar("Result")


class ClaimsLost(Exception):
    """Somebody else has taken over what was about to be sent: it must not be."""


@dataclass(slots=True)
class Session:
    """One connection while work is done there; `channels` are those that the work is for."""

    installation: Installation
    connection: Connection
    channels: Sequence[ConfiguredChannel]
    marketplace: Marketplace
    client: Client

    @property
    def codes(self) -> list[str]:
        """The channels' codes."""
        return [each.code for each in self.channels]


def connections_serving(
    installation: Installation,
    codes: Sequence[str] | None,
    is_wanted: Callable[[ConfiguredChannel], bool] = lambda _: True,
) -> list[str]:
    """Codes of the connections that have a wanted channel; of the given ones, or of all."""
    with installation.ledger.read() as transaction:
        found = {each.connection for each in book.all_channels(transaction) if is_wanted(each)}
    return sorted(found if codes is None else found & set(codes))


def work_at_each(
    installation: Installation, codes: Sequence[str], stage: str, work: Callable[[Installation, str], Result]
) -> list[Result]:
    """The same work at several connections, several at a time."""

    def work_unless_lost(code: str) -> Result:
        installation.go_on()
        return work(installation, code)

    with ThreadPoolExecutor(max_workers=installation.settings.pull_threads, thread_name_prefix=stage) as pool:
        return list(pool.map(carried(work_unless_lost), codes))


def work_at(
    installation: Installation,
    code: str,
    stage: str,
    work: Callable[[], Sequence[str]],
    conclude: Callable[[Transaction, MarketplaceError | None, datetime], None] | None = None,
) -> MarketplaceError | None:
    """Do a stage's work at one connection; whatever it raises is an incident there, and returned.

    Args:
        installation: Where.
        code: The connection's code, which every line that is logged meanwhile names.
        stage: The stage of the incident.
        work: Returns the stages whose incidents have ended by its success; () when it had nothing to do.
        conclude: What else is written with the end of the work, of which it is told the failure.
    """
    over: Sequence[str] = ()

    def do() -> None:
        nonlocal over
        over = work()

    def end() -> None:
        with installation.ledger.write() as transaction:
            now = installation.clock()
            if error is not None:
                _tell(transaction, code, stage, error, now)
            if over:
                incidents.resolve(transaction, "connection", [code], over, now)
            if conclude is not None:
                conclude(transaction, error, now)

    with bound_contextvars(connection=code, stage=stage):
        error = _failure(do)
        unwritten = _failure(end) if error is not None or over or conclude is not None else None
    return error or unwritten


def _failure(do: Callable[[], None]) -> MarketplaceError | None:
    try:
        do()
    except MarketplaceError as error:
        return error
    except sa.exc.DBAPIError as error:
        logger.error(Event.LEDGER_UNAVAILABLE, extra={"reason": str(error.orig)})  # noqa: TRY400 - the traceback says no more
        return Transient("ledger_unavailable", f"the ledger could not be written: {error.orig}")
    except Exception as error:  # noqa: BLE001 - a defect must not stop the other connections
        return defect(error)
    return None


def defect(error: Exception) -> Permanent:
    """The failure for what nobody foresaw: its place goes to the log, its kind to whoever reads the incident."""
    logger.error(Event.UNEXPECTED_ERROR, extra={"exception": place_of(error)})
    return Permanent("internal_error", f"unexpected {type(error).__name__}")


def _tell(transaction: Transaction, code: str, stage: str, error: MarketplaceError, now: datetime) -> None:
    if isinstance(error, Throttled) and error.code == "throttled":
        quotas.block(transaction, code, now, error.retry_after)
    incidents.report(
        transaction,
        incidents.IncidentReport(
            scope="connection",
            subject=code,
            stage=stage,
            code=error.code,
            message=error.message,
            hint=error.hint,
        ),
        now,
    )


def serving(installation: Installation, code: str) -> tuple[Connection, Sequence[ConfiguredChannel]]:
    """A connection and its channels.

    Raises:
        Permanent: There is no such connection any more.
    """
    with installation.ledger.read() as transaction:
        connection = book.find_connection(transaction, code)
        channels = book.all_channels(transaction, code)
    if connection is None:
        raise Permanent("unknown_connection", f"there is no connection {code} any more")
    return connection, channels


def takes_orders(connection: Connection) -> bool:
    """Whether a connection's orders are given to us: there is nobody to ask or to tell."""
    marketplace = MARKETPLACES.get(connection.kind)
    return marketplace is not None and marketplace.takes_orders


@contextmanager
def opened(
    installation: Installation,
    connection: Connection,
    channels: Sequence[ConfiguredChannel],
    selectors: Sequence[str] | None = None,
    before_call: Callable[[], None] = lambda: None,
) -> Iterator[Session]:
    """A session with a connection; nothing is sent by opening it.

    Args:
        installation: Whose ledger has the quota.
        connection: Where.
        channels: What the work is for.
        selectors: What is asked for; None for what the channels name.
        before_call: The last thing done before each call.

    Raises:
        Unauthorised: A credential cannot be resolved.
        Permanent: The connection is of a kind that does not exist, its settings are not valid, or secrets would be sent in
            clear.
    """
    marketplace = MARKETPLACES.get(connection.kind)
    if marketplace is None:
        raise Permanent("unknown_kind", f"{connection.code} is of unknown kind {connection.kind!r}")
    if marketplace.connect is None:
        raise Permanent("no_marketplace", f"there is no marketplace at {connection.code}: its orders are given to us")
    if connection.endpoint:
        secure(connection.endpoint)
    rate_factor = read_settings(marketplace.settings, connection.settings).rate_factor
    if selectors is None:
        selectors = [each.selector for each in channels if each.selector is not None]
    apart = marketplace.hints.credentials if marketplace.hints is not None else ()
    needed = {name: value for name, value in connection.credentials.items() if name not in apart}
    context = _context(installation, connection, selectors, needed)
    quota = _Quota(installation, connection.code, marketplace.rates, rate_factor, before_call)
    client = marketplace.connect(context, quota, installation.settings.pull_max_pages)
    try:
        yield Session(installation, connection, channels, marketplace, client)
    finally:
        client.close()


def consenting(installation: Installation, connection: Connection) -> Consenting:
    """How a person consents to a connection; what earlier consents were kept as is not looked at.

    Raises:
        Unauthorised: A credential cannot be resolved.
        Permanent: Its kind is not consented to in a browser, or its settings are not valid.
    """
    marketplace = MARKETPLACES.get(connection.kind)
    if marketplace is None or marketplace.consenting is None:
        raise Permanent("no_consent", f"{connection.code} is of a kind that nobody consents to in a browser")
    mortal = {each.name for each in marketplace.credentials if each.lifetime_days is not None}
    lasting = {name: value for name, value in connection.credentials.items() if name not in mortal}
    return marketplace.consenting(_context(installation, connection, (), lasting))


@contextmanager
def reading_deletions(installation: Installation, connection: Connection) -> Iterator[DeletionReader]:
    """What reads notices of deleted accounts that came for a connection.

    Raises:
        Unauthorised: A credential cannot be resolved.
        Permanent: There are no such notices of its kind, or its settings are not valid.
    """
    marketplace = MARKETPLACES.get(connection.kind)
    if marketplace is None or marketplace.deletions is None:
        raise Permanent("no_deletion_notices", f"{connection.code} is of a kind that tells of no deleted accounts")
    rate_factor = read_settings(marketplace.settings, connection.settings).rate_factor
    context = _context(installation, connection, (), connection.credentials)
    quota = _Quota(installation, connection.code, marketplace.rates, rate_factor, lambda: None)
    reader = marketplace.deletions(context, quota)
    try:
        yield reader
    finally:
        reader.close()


@contextmanager
def hearing(installation: Installation, connection: Connection, selectors: Sequence[str]) -> Iterator[HintReader]:
    """What reads a connection's hints, for the channels that these selectors name.

    Raises:
        Unauthorised: A credential cannot be resolved.
        Permanent: There are no hints of its kind, or its settings are not valid.
    """
    marketplace = MARKETPLACES.get(connection.kind)
    if marketplace is None or marketplace.hints is None:
        raise Permanent("no_hints", f"{connection.code} is of a kind that tells of no changes")
    reader = marketplace.hints.open(_context(installation, connection, selectors, connection.credentials))
    try:
        yield reader
    finally:
        reader.close()


def _context(
    installation: Installation, connection: Connection, selectors: Sequence[str], references: Mapping[str, str]
) -> ConnectionContext:
    try:
        credentials = resolve_credentials(connection.code, references, installation.keys)
    except (SecretMissing, KeyRingError) as error:
        raise Unauthorised(
            "credential_missing", str(error), "set the variable, write the file, or type the secret again"
        ) from None
    return ConnectionContext(
        connection.code, connection.endpoint, connection.region, connection.settings, selectors, credentials
    )


@dataclass(frozen=True, slots=True)
class _Quota:
    """The ledger's buckets of one connection, as its client uses them."""

    installation: Installation
    owner: str
    rates: Mapping[str, Rate]
    factor: float
    before_call: Callable[[], None]

    def __call__(self, operation: str) -> None:
        rate, installation = self.rates[operation], self.installation
        while True:
            with installation.ledger.write() as transaction:
                wait = quotas.take(
                    transaction, self.owner, operation, rate.per_second * self.factor, rate.burst, installation.clock()
                )
            if wait <= 0.0:
                break
            if wait > LONGEST_QUOTA_WAIT:
                raise Throttled("quota_used_up", f"no quota for {operation} for another {wait:.0f} s", wait)
            installation.sleep(wait)
        self.before_call()

    def learn(self, operation: str, tokens: float, refill_at: datetime | None) -> None:
        with self.installation.ledger.write() as transaction:
            quotas.learn(transaction, self.owner, operation, tokens, refill_at, self.installation.clock())


def route(channels: Sequence[ConfiguredChannel], selector: str | None) -> str | None:
    """The channel of a connection that a payload belongs to; None when it does not say and there is more than one."""
    for channel in channels:
        if channel.selector == selector and selector is not None:
            return channel.code
    whole = [each.code for each in channels if each.selector is None]
    if whole:
        return whole[0]
    return channels[0].code if selector is None and len(channels) == 1 else None
