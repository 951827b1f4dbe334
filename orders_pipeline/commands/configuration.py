"""`orders apply`, `orders connections …`, `orders channels …`: what the merchant is connected to."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
import yaml

from orders_pipeline.commands.failures import exit_code
from orders_pipeline.commands.output import Exit, answers, fail, notes, print_json, print_rows, print_table
from orders_pipeline.commands.recording import record, record_differences
from orders_pipeline.installation import opened, opened_to_read
from orders_pipeline.marketplaces.errors import MarketplaceError
from orders_pipeline.marketplaces.registry import KINDS
from orders_pipeline.stages.connection import consenting
from orders_pipeline.stages.connection_test import try_connection
from warehouse.clock import utc_now
from warehouse.ledger.base.credentials import shown
from warehouse.ledger.base.database import Ledger, LedgerMissingError, make_engine, migrate, open_existing_ledger
from warehouse.ledger.settings import channels as book
from warehouse.ledger.settings import configuration
from warehouse.ledger.settings.document import ConfigurationError, read_document
from warehouse.ledger.settings.file_lines import located
from warehouse.ledger.settings.kinds import all_kinds, keep_kinds
from warehouse.ledger.settings.typed_secrets import SecretNotTaken, keep_connection_secret
from warehouse.ledger.shipping.shipment_queries import held_by_channel
from warehouse.marketplace_kinds import Credential, MarketplaceKind, meant
from warehouse.settings import Settings

connections = typer.Typer(
    name="connections", help="Seller accounts at marketplaces.", no_args_is_help=True, rich_markup_mode=None
)
channels = typer.Typer(
    name="channels", help="What is retrieved and confirmed, per channel.", no_args_is_help=True, rich_markup_mode=None
)


class AcceptancePolicy(StrEnum):
    """Who accepts the orders of a channel."""

    MANUAL = "manual"
    AUTOMATIC = "automatic"
    OFF = "off"


Json = Annotated[bool, typer.Option("--json", help="One JSON line per row.")]


def apply(
    file: Annotated[
        Path | None, typer.Option("-f", "--file", help="The configuration file; - for standard input.")
    ] = None,
    export: Annotated[bool, typer.Option("--export", help="Print the present configuration as such a file.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
) -> None:
    """Bring connections, channels and their carriers to what a file declares, and show the difference.

    Applying twice changes nothing. What the file does not name is left alone.

    Examples:

      orders apply -f orders.yaml --dry-run

      orders apply -f orders.yaml

      orders apply --export > orders.yaml
    """
    if export:
        with opened_to_read() as installation, installation.ledger.read() as transaction:
            sys.stdout.write(configuration.export(transaction))
        return
    if file is None:
        raise fail("name a file with -f, or use --export", Exit.USAGE)
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except OSError as error:
        raise fail(f"{file}: {error.strerror}", Exit.CONFIGURATION) from None
    try:
        found = _applied(text, dry_run=dry_run)
    except ConfigurationError as error:
        raise ConfigurationError(located(text, error.problems)) from None
    for difference in found:
        answers.print(f"{difference.action} {difference.noun} {difference.code}", markup=False)
        for name, (before, after) in difference.fields.items():
            change = f"{after!r}" if difference.action == "create" else f"{before!r} → {after!r}"
            answers.print(f"    {name}: {change}", markup=False)
    for difference in found:
        if difference.noun == "channel" and difference.fields.get("confirmation", (None, True))[1] is False:
            notes.print(f"{difference.code} does not confirm: its shipments will be held until `confirmation: true`")
    notes.print(
        "nothing to change" if not found else "nothing was changed (dry run)" if dry_run else f"applied {len(found)}"
    )


def _applied(text: str, *, dry_run: bool) -> list[configuration.Difference]:
    if dry_run:
        with _ledger_as_it_is() as ledger, ledger.read() as transaction:
            return configuration.differences(transaction, read_document(text, all_kinds(transaction)))
    with opened() as installation, installation.ledger.write() as transaction:
        document = read_document(text, all_kinds(transaction))
        found = configuration.apply(transaction, document, installation.clock())
        record_differences(transaction, installation, found)
        return found


@contextmanager
def _ledger_as_it_is() -> Iterator[Ledger]:
    """The ledger, or where there is none an empty one that goes with this process: looking makes nothing."""
    try:
        ledger = open_existing_ledger(Settings())
    except LedgerMissingError:
        ledger = Ledger(make_engine("sqlite://"))
        migrate(ledger)
    try:
        keep_kinds(ledger, KINDS, utc_now())
        yield ledger
    finally:
        ledger.close()


@connections.command("list")
def list_connections(as_json: Json = False) -> None:
    """Every connection. Secrets are shown only as where they come from.

    Example: orders connections list --json
    """
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        rows = [
            {
                "code": each.code,
                "kind": each.kind,
                "label": each.label,
                "endpoint": each.endpoint,
                "region": each.region,
                "credentials": shown(each.credentials),
            }
            for each in book.all_connections(transaction)
        ]
    print_rows("Connections", rows, ("code", "kind", "label", "endpoint", "region", "credentials"), as_json)


@connections.command("kinds")
def list_kinds(
    kind: Annotated[str | None, typer.Argument(help="One of them, with all that a connection of it may say.")] = None,
    as_json: Json = False,
) -> None:
    """The kinds of marketplaces that a connection can be of, and what each is given.

    Examples:

      orders connections kinds

      orders connections kinds KIND
    """
    with _ledger_as_it_is() as ledger, ledger.read() as transaction:
        known = all_kinds(transaction)
    if kind is not None and kind not in known:
        raise fail(f"there is no kind {kind!r}{meant(kind, known)}", Exit.USAGE)
    shown_kinds = [each for each in known.values() if kind in {None, each.kind}]
    if as_json:
        for each in shown_kinds:
            print_json(each.as_json())
        return
    rows = [
        (each.kind, each.name, each.description, ", ".join(_credential(own) for own in each.credentials))
        for each in shown_kinds
    ]
    print_table("Kinds", ("kind", "name", "what there is", "credentials"), rows)
    if kind is not None:
        _print_kind(known[kind])


def _credential(credential: Credential) -> str:
    return credential.name if credential.is_required else f"{credential.name} (may be left out)"


def _print_kind(kind: MarketplaceKind) -> None:
    answers.print(kind.help, markup=False)
    print_table(
        "Credentials", ("credential", "what it is"), [(_credential(each), each.meaning) for each in kind.credentials]
    )
    for title, schema in (("Settings", kind.settings), ("Settings of a channel", kind.channel_settings)):
        rows = [(name, about.get("default"), about.get("description")) for name, about in schema["properties"].items()]
        print_table(title, ("setting", "default", "what it does"), rows)


@connections.command("add")
def add_connection(
    code: Annotated[str, typer.Argument(help="A short code: lower-case letters, digits and _.")],
    kind: Annotated[str, typer.Option(help="The marketplace's kind; `orders connections kinds` shows them.")],
    label: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    endpoint: Annotated[str | None, typer.Option(help="Base URL, where the kind wants one.")] = None,
    region: Annotated[str | None, typer.Option(help="One of the kind's regions, where it has any.")] = None,
    setting: Annotated[list[str] | None, typer.Option(help="A setting of its kind, as NAME=VALUE; repeatable.")] = None,
    credential: Annotated[
        list[str] | None, typer.Option(help="NAME=env:VARIABLE or NAME=file:PATH; repeatable.")
    ] = None,
) -> None:
    """Add a connection; `orders apply` does the same, and changes too, from a file.

    Examples:

      orders connections add shop --kind mirakl --endpoint https://shop.example --credential api_key=env:SHOP_KEY

      orders connections add amazon_eu --kind amazon --region eu
    """
    entry = {
        "kind": kind,
        "label": label,
        "endpoint": endpoint,
        "region": region,
        "settings": {name: yaml.safe_load(value) for name, value in map(pair, setting or ())},
        "credentials": dict(pair(each) for each in credential or ()),
    }
    apply_entry("connections", code, entry)


@channels.command("add")
def add_channel(
    code: Annotated[str, typer.Argument(help="A short code: lower-case letters, digits and _.")],
    connection: Annotated[str, typer.Option(help="Code of its connection.")],
    label: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    marketplace: Annotated[str | None, typer.Option(help='The marketplace it sells on, such as "Amazon FR".')] = None,
    selector: Annotated[
        str | None, typer.Option(help="What picks its orders, in the marketplace's word; none: all of it.")
    ] = None,
    confirmation: Annotated[
        bool | None,
        typer.Option("--confirmation/--no-confirmation", help="Confirm its shipments; asked for when not given."),
    ] = None,
) -> None:
    """Add a channel with retrieval on. Whether its shipments are confirmed to the marketplace is yours to say.

    Without confirmation they are held: say so when another system tells the marketplace.

    Example: orders channels add amazon_fr --connection amazon_eu --selector A13V1IB3VIYZZH --confirmation
    """
    entry = {
        "connection": connection,
        "label": label,
        "marketplace": marketplace,
        "selector": selector,
        "confirmation": _chosen_confirmation(code) if confirmation is None else confirmation,
    }
    apply_entry("channels", code, entry)


@connections.command("secret")
def set_secret(
    code: Annotated[str, typer.Argument(help="The connection's code.")],
    name: Annotated[str, typer.Argument(help="The credential's name, such as refresh_token or api_key.")],
) -> None:
    """Type a secret; it is kept encrypted. Reads standard input when that is no terminal.

    Example: orders connections secret amazon_eu refresh_token
    """
    secret = typed_secret(code, name)
    with opened() as installation, installation.ledger.write() as transaction, usable_secret():
        keep_connection_secret(transaction, installation.keys, code, name, secret, installation.clock())
        record(transaction, installation, "secret_typed", f"connection {code}", {"name": name})
    notes.print(f"{name} of {code} is kept, encrypted")


@connections.command("authorise")
def authorise_connection(code: Annotated[str, typer.Argument(help="The connection's code.")]) -> None:
    """Consent to a connection in a browser, where its marketplace asks for that; what comes of it is kept encrypted.

    Prints the address where the seller consents, then takes the address that the browser is sent to afterwards, or the code in
    it. Reads standard input when that is no terminal.

    Example: orders connections authorise ebay
    """
    with opened() as installation:
        with installation.ledger.read() as transaction:
            connection = book.find_connection(transaction, code)
        if connection is None:
            raise fail(f"there is no connection {code!r}", Exit.USAGE)
        try:
            asked = consenting(installation, connection)
            answers.print(asked.address, soft_wrap=True, markup=False, highlight=False)
            notes.print("Consent there as the seller; then give the address that the browser is sent to, or its code.")
            consent = asked.redeem(typed_secret(code, "code"))
        except MarketplaceError as error:
            raise fail(f"{error.message}{f' ({error.hint})' if error.hint else ''}", exit_code(error)) from None
        with installation.ledger.write() as transaction, usable_secret():
            keep_connection_secret(
                transaction,
                installation.keys,
                code,
                consent.credential,
                consent.secret,
                installation.clock(),
                consent.ends_at,
            )
            record(transaction, installation, "consent_given", f"connection {code}", {"name": consent.credential})
    notes.print(f"{consent.credential} of {code} is kept, encrypted; it ends on {consent.ends_at:%Y-%m-%d}")


@contextmanager
def usable_secret() -> Iterator[None]:
    """End where a secret has no place."""
    try:
        yield
    except SecretNotTaken as error:
        raise fail(error.message, Exit.USAGE) from None


@connections.command("test")
def test_connection(
    code: Annotated[str, typer.Argument(help="The connection's code.")],
    as_json: Json = False,
) -> None:
    """Try a connection and name what is wrong: credential, role, endpoint, region, marketplace id.

    Example: orders connections test amazon_eu
    """
    with opened_to_read() as installation:
        with installation.ledger.read() as transaction:
            if book.find_connection(transaction, code) is None:
                raise fail(f"there is no connection {code!r}", Exit.USAGE)
        try:
            findings = try_connection(installation, code)
        except MarketplaceError as error:
            raise fail(f"{error.message}{f' ({error.hint})' if error.hint else ''}", exit_code(error)) from None
    rows = [(each.part, "ok" if each.is_ok else "wrong", each.message, each.hint) for each in findings]
    if as_json:
        for part, verdict, message, hint in rows:
            print_json({"part": part, "verdict": verdict, "message": message, "hint": hint})
    else:
        print_table(f"Connection {code}", ("part", "verdict", "what was seen", "what to do"), rows)
    wrong = [each for each in findings if not each.is_ok]
    if any(each.part == "credential" for each in wrong):
        raise typer.Exit(Exit.UNAUTHORISED)
    if wrong:
        raise typer.Exit(Exit.UNAVAILABLE if any(each.part == "endpoint" for each in wrong) else Exit.CONFIGURATION)


@channels.command("list")
def list_channels(as_json: Json = False) -> None:
    """Every channel with its switches.

    Example: orders channels list
    """
    columns = ("code", "label", "marketplace", "connection", "selector", "retrieval", "confirmation", "acceptance")
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        rows = [{name: getattr(each, name) for name in columns} for each in book.all_channels(transaction)]
    print_rows("Channels", rows, columns, as_json)


@channels.command("set")
def set_channel(
    code: Annotated[str, typer.Argument(help="The channel's code.")],
    retrieval: Annotated[bool | None, typer.Option("--retrieval/--no-retrieval", help="Retrieve its orders.")] = None,
    confirmation: Annotated[
        bool | None, typer.Option("--confirmation/--no-confirmation", help="Confirm its shipments.")
    ] = None,
    acceptance: Annotated[
        AcceptancePolicy | None, typer.Option(help="Who accepts orders, where the marketplace asks.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="Its name for people.")] = None,
) -> None:
    """Switch a channel's retrieval, confirmation or acceptance, or rename it.

    While confirmation is off, shipments are held. Switching it on sends none of those: that is a choice of its own.

    Examples:

      orders channels set amazon_fr --no-retrieval

      orders channels set amazon_fr --confirmation
    """
    with opened() as installation, installation.ledger.write() as transaction:
        channel = next((each for each in book.all_channels(transaction) if each.code == code), None)
        if channel is None:
            raise fail(f"there is no channel {code!r}", Exit.USAGE)
        if retrieval and book.takes_orders(transaction, channel.connection):
            raise fail(f"{code}: its orders are given to us: there is nothing to retrieve", Exit.USAGE)
        changed = book.ConfiguredChannel(
            code=code,
            label=label or channel.label,
            marketplace=channel.marketplace,
            connection=channel.connection,
            selector=channel.selector,
            retrieval=channel.retrieval if retrieval is None else retrieval,
            confirmation=channel.confirmation if confirmation is None else confirmation,
            acceptance=channel.acceptance if acceptance is None else acceptance.value,
            settings=channel.settings,
        )
        book.save_channel(transaction, changed, installation.clock())
        switched = {
            name: [getattr(channel, name), getattr(changed, name)]
            for name in ("label", "retrieval", "confirmation", "acceptance")
            if getattr(channel, name) != getattr(changed, name)
        }
        if switched:
            record(transaction, installation, "channel_changed", code, switched)
        held = held_by_channel(transaction).get(code, 0)
    notes.print(
        f"{code}: retrieval {_switch(changed.retrieval)}, confirmation {_switch(changed.confirmation)}, "
        f"acceptance {changed.acceptance}"
    )
    if held and changed.confirmation:
        notes.print(
            f"{held} of its shipments are held: `orders shipments release {code}` sends them, "
            f"`orders shipments skip {code}` never does",
            markup=False,
        )


def _chosen_confirmation(code: str) -> bool:
    if not sys.stdin.isatty():
        notes.print(
            f"{code} does not confirm: its shipments will be held until `orders channels set {code} --confirmation`"
        )
        return False
    return typer.confirm(f"Confirm shipments of {code} to its marketplace?", default=True)


def typed_secret(code: str, name: str) -> str:
    """A secret from the terminal, unseen, or all of standard input when that is no terminal."""
    secret: str = (
        typer.prompt(f"{name} of {code}", hide_input=True) if sys.stdin.isatty() else sys.stdin.read().rstrip("\n")
    )
    if not secret:
        raise fail("the secret is empty", Exit.USAGE)
    return secret


def pair(text: str) -> tuple[str, str]:
    """Name and value of an option that is written NAME=VALUE."""
    name, is_given, value = text.partition("=")
    if not is_given:
        raise fail("write it NAME=VALUE; a credential NAME=env:VARIABLE or NAME=file:PATH", Exit.USAGE)
    return name, value


def apply_entry(section: str, code: str, entry: Mapping[str, object]) -> None:
    """One entry as if it stood alone in a file, so that both ways check and show the same."""
    text = yaml.safe_dump({section: {code: dict(entry)}})
    with opened() as installation, installation.ledger.write() as transaction:
        document = read_document(text, all_kinds(transaction))
        found = configuration.differences(transaction, document)
        if any(each.action != "create" for each in found):
            raise fail(
                f"{code} is there already: change it with `orders apply --export` and `orders apply -f`", Exit.USAGE
            )
        record_differences(transaction, installation, configuration.apply(transaction, document, installation.clock()))
    notes.print(f"created {found[0].noun} {code}" if found else "nothing to change")


def _switch(is_on: bool) -> str:  # noqa: FBT001 - a word for a boolean
    return "on" if is_on else "off"
