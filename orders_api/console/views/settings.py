"""Forms of settings: sections with fields, each with what it is now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orders_api.console.kit.texts import Later

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orders_api.console.views.frame import Badge, Moment
    from orders_api.console.views.lists import FilterValue, Record


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form.

    Attributes:
        name: As it is sent.
        label: As people read it.
        kind: `switch`, `choice`, `ticks`, `number`, `time` or `text`.
        value: What it is now, "" for nothing.
        is_on: Of a switch.
        choices: Of a choice and of ticks.
        hint: What else there is to say.
    """

    name: str
    label: str
    kind: str
    value: str
    is_on: bool
    choices: tuple[FilterValue, ...]
    hint: str


@dataclass(frozen=True, slots=True)
class Section:
    """Settings that are saved together.

    Attributes:
        id: Names it on its page.
        title: Its heading.
        about: What it is for.
        action: Where it is sent.
        before: What it was when the page was read, so that nobody overwrites somebody else's change unseen.
        fields: Its fields.
        button: What saves it where JavaScript does not.
        is_saved_at_once: Whether each change is saved by itself.
    """

    id: str
    title: str
    about: str
    action: str
    before: str
    fields: tuple[Field, ...]
    button: str = Later("Save")
    is_saved_at_once: bool = True


@dataclass(frozen=True, slots=True)
class AskedRow:
    """Something that the pipeline was asked: its page, what was asked, how far it is, when."""

    path: str
    what: str
    state: Badge
    asked: Moment | None


@dataclass(frozen=True, slots=True)
class Ask:
    """A button that asks the pipeline for something."""

    word: str
    kind: str
    subject: str
    folder: str
    back: str


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A channel in the list of channels."""

    code: str
    label: str
    marketplace: str
    connection: str
    retrieval: Badge
    confirmation: Badge
    export: Badge
    imports: Badge


@dataclass(frozen=True, slots=True)
class ChannelRows:
    """The list of channels."""

    rows: tuple[ChannelRow, ...]


@dataclass(frozen=True, slots=True)
class CarrierRow:
    """A word of the ERP's for a carrier, and what the marketplace calls it."""

    word: str
    code: str
    name: str


@dataclass(frozen=True, slots=True)
class NextFiles:
    """What an export would write now: each file's name, orders and rows; whether more orders wait; the name of a whole file."""

    rows: tuple[tuple[str, str, str], ...]
    has_more: bool
    example: str


@dataclass(frozen=True, slots=True)
class Sample:
    """The template of order files: its columns, and some rows, personal cells empty."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class ChannelPage:
    """The settings of one channel.

    Attributes:
        code, label, connection, selector: Which channel it is.
        sections: What can be set.
        carriers: The mapping of carriers.
        asks: What the pipeline can be asked about it.
        asked: What it was asked last.
        columns: Of an order file.
        shipment_columns: Of a shipment file.
        new_storage: The path of a form for another storage, which comes back here.
        next_files: What an export would write now; None where there is no such job.
        sample: The template of order files, filled in.
        unmapped: Words for carriers that the marketplace would not understand.
        needs: What the marketplace needs of a shipment; empty while it was not asked.
    """

    code: str
    label: str
    connection: str
    selector: str
    sections: tuple[Section, ...]
    carriers: tuple[CarrierRow, ...]
    asks: tuple[Ask, ...]
    asked: tuple[AskedRow, ...]
    columns: tuple[str, ...]
    shipment_columns: tuple[str, ...]
    new_storage: str
    next_files: NextFiles | None
    sample: Sample
    unmapped: tuple[str, ...]
    needs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CredentialRow:
    """A credential: whether there is one, where it comes from, and its ages."""

    name: str
    about: str
    state: Badge
    source: str
    is_set_at: Moment | None
    ends_at: Moment | None
    action: str


@dataclass(frozen=True, slots=True)
class OwnerRow:
    """A connection or a storage in its list."""

    code: str
    label: str
    kind: str
    about: str
    path: str


@dataclass(frozen=True, slots=True)
class OwnerRows:
    """The list of connections, or of storages."""

    title: str
    rows: tuple[OwnerRow, ...]
    nothing: str
    new: str


@dataclass(frozen=True, slots=True)
class OwnerPage:
    """A connection or a storage: what it is, its credentials, and what the pipeline can be asked about it."""

    code: str
    title: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    credentials: tuple[CredentialRow, ...]
    asks: tuple[Ask, ...]
    asked: tuple[AskedRow, ...]


@dataclass(frozen=True, slots=True)
class NewConnection:
    """The page of another connection.

    Attributes:
        kinds: Of marketplaces.
        regions: Of the kind that was chosen.
        typed: What was typed so far, by the fields' names.
        help: How a connection of the kind is made.
        selector: What picks a channel's orders, in the marketplace's word.
        credentials: The secrets that it takes, with their meaning.
        commands: What is to be typed at the machine; "" until a kind is chosen.
    """

    kinds: tuple[FilterValue, ...]
    regions: tuple[FilterValue, ...]
    typed: Mapping[str, str]
    help: str
    selector: str
    credentials: tuple[tuple[str, str], ...]
    commands: str


@dataclass(frozen=True, slots=True)
class NewStorage:
    """The form for another storage; `folder_command` is what makes one of a folder of the machine."""

    kinds: tuple[FilterValue, ...]
    back: str
    folder_command: str


@dataclass(frozen=True, slots=True)
class ShownFinding:
    """A line of a test's result."""

    part: str
    verdict: Badge
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class AskedPage:
    """One request to the pipeline, and what came of it.

    Attributes:
        id: Its id.
        what: What was asked.
        state: How far it is.
        asked_by, asked, finished: By whom and when.
        is_open: Whether it is still to end; then the page looks again by itself.
        silence: What to do when no pipeline runs; "" when one does.
        findings: Of a test.
        facts: What else came of it.
        names: Of a folder that was browsed: what is in it.
        has_orders: Whether it is about many orders, each with a fate.
        back: Where the asker came from.
    """

    id: str
    what: str
    state: Badge
    asked_by: str
    asked: Moment | None
    finished: Moment | None
    is_open: bool
    silence: str
    findings: tuple[ShownFinding, ...]
    facts: tuple[tuple[str, str], ...]
    names: tuple[str, ...]
    has_orders: bool
    back: str


@dataclass(frozen=True, slots=True)
class RecipientRow:
    """Somebody who is told of problems."""

    code: str
    address: str
    about: str
    summary: Badge
    ask: Ask


@dataclass(frozen=True, slots=True)
class AlertsPage:
    """Who is told of problems, and a form for one more."""

    rows: tuple[RecipientRow, ...]
    kinds: tuple[FilterValue, ...]
    channels: tuple[FilterValue, ...]


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token without its secret."""

    id: str
    consumer: str
    scopes: tuple[str, ...]
    channels: str
    state: Badge
    is_live: bool
    created: Moment | None
    used: Moment | None


@dataclass(frozen=True, slots=True)
class TokensPage:
    """Tokens, and a form for one more."""

    rows: tuple[TokenRow, ...]
    scopes: tuple[FilterValue, ...]
    channels: tuple[FilterValue, ...]


@dataclass(frozen=True, slots=True)
class IssuedTokenPage:
    """A token that was just made: the one page that shows its secret, and a call to try it with."""

    consumer: str
    secret: str
    curl: str


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Something that somebody did."""

    number: int
    at: Moment | None
    actor: str
    origin: str
    action: str
    subject: str
    details: str
    request_id: str

    @property
    def record(self) -> Record:
        """All of it for programs."""
        return {
            "id": self.number,
            "at": None if self.at is None else self.at.iso,
            "actor": self.actor,
            "origin": self.origin,
            "action": self.action,
            "subject": self.subject,
            "details": self.details,
            "request_id": self.request_id,
        }
