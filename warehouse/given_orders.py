"""Orders that are given to us: the document of one, checking it, and reading it as an `Order`.

A channel without a marketplace has its orders from the merchant. Their document has the members of an order as they are
described in `warehouse.orders`, less what we say of an order ourselves; what is added to them here is described here. Taking a
document in is in `warehouse.ledger.book.order_intake`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Self

import orjson
from msgspec.structs import fields
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    StrictBool,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from warehouse.clock import iso
from warehouse.given_order_types import (
    Amount,
    Code,
    Country,
    Currency,
    Identifier,
    Moment,
    Text,
    Units,
    none_if_blank,
    read_moment,
)
from warehouse.marketplace_kinds import meant
from warehouse.members import Described, Kind, described
from warehouse.models import members_at
from warehouse.order_checks import check as check_order
from warehouse.order_lines import Line
from warehouse.order_parts import Address, Payment
from warehouse.order_states import FulfilledBy, Status
from warehouse.orders import Order
from warehouse.privacy import PathStep

MOST_LINES = 1000
MOST_PARTS = 100
TOO_MUCH = Decimal(10) ** 13
MOST_FAULTS = 100
NAME_LIMIT = 64

_LEFT_OUT: Mapping[type, frozenset[str]] = {
    Order: frozenset(
        {
            *("id", "status", "marketplace", "marketplace_status", "marketplace_updated_at", "marketplace_data"),
            *("fulfilled_by", "accept_by", "programs", "cancellation", "problems"),
        }
    ),
    Line: frozenset(
        {
            *("id", "number", "marketplace_sku", "marketplace_status", "source_unit_price", "cancellation"),
            *("quantity_shipped", "quantity_refunded", "refunded_total", "is_replacement"),
        }
    ),
    Address: frozenset({"source_country"}),
    Payment: frozenset({"workflow"}),
}
"""Members that a document does not have: a marketplace's, and what follows from the others."""

_IDENTIFIERS = {"original_id", "sku", "gtin"}


@dataclass(frozen=True, slots=True)
class OrderFault:
    """What is wrong with a document: a stable code, where ("lines/0/sku"; "" for all of it), and a plain sentence."""

    code: str
    place: str
    message: str


class UnfitDocument(Exception):
    """A document that is no order of ours; `faults` are all that is wrong with it."""

    def __init__(self, faults: Sequence[OrderFault]) -> None:
        super().__init__("; ".join(f"{each.place}: {each.message}" for each in faults))
        self.faults = tuple(faults)


_Fault = tuple[str, tuple[int | str, ...], str]
"""Code, place and message."""


# -- the shape


_NAMED: Mapping[str, Any] = {
    **dict.fromkeys(_IDENTIFIERS, Identifier),
    "channel": Code,
    "country_code": Country,
    "currency": Currency,
}
_PLAIN: Mapping[Kind, Any] = {
    Kind.TEXT: Text,
    Kind.NUMBER: Units,
    Kind.FLAG: StrictBool,
    Kind.MOMENT: Moment,
    Kind.AMOUNT: Amount,
}


class _Part(BaseModel):
    """Base of every part of a document: what is not described is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _members(of: type) -> list[Described]:
    """The members of a described class that a document has: those that are kept, less those left out."""
    kept = {each.name for each in fields(of)} - _LEFT_OUT.get(of, frozenset())
    return [each for each in described(of) if each.attribute in kept]


@cache
def _part(of: type) -> type[_Part]:
    """The shape of a part of an order."""
    about = (of.__doc__ or "").partition("\n\n")[0].replace(" Personal data.", "")
    made: Any = create_model(f"Given{of.__name__}", __base__=_Part, __doc__=about, __module__=__name__, **_fields(of))
    return made


def _fields(of: type, *required: str) -> dict[str, Any]:
    demanded = {each.name for each in fields(of) if each.required}
    return {each.attribute: _field(each, is_required=each.attribute in demanded | {*required}) for each in _members(of)}


def _field(each: Described, *, is_required: bool) -> tuple[Any, Any]:
    kind: Any = _NAMED.get(each.attribute) or _PLAIN.get(each.kind) or _part(each.type)
    about: dict[str, Any] = {"description": each.about.meaning, "examples": [each.about.example]}
    if each.name != each.attribute:
        about["alias"] = each.name
    if each.is_list:
        return tuple[kind, ...], Field((), max_length=MOST_PARTS, **about)
    if is_required:
        return kind, Field(**about)
    return Annotated[kind | None, BeforeValidator(none_if_blank)], Field(None, **about)


_LineMembers: Any = create_model(
    "_LineMembers", __base__=_Part, __module__=__name__, **_fields(Line, "quantity_ordered")
)
_OrderMembers: Any = create_model("_OrderMembers", __base__=_Part, __module__=__name__, **_fields(Order, "currency"))


class GivenLine(_LineMembers):
    """A line of an order that is given to us. `unit_price` × `quantity_ordered` − `discount` is its `line_total`."""

    if TYPE_CHECKING:
        original_id: str
        quantity_ordered: int
        line_total: Decimal | None
        taxes: tuple[Any, ...]

    quantity_cancelled: Units = Field(
        0, description="Units of them that are cancelled: how a line is cancelled.", examples=[0]
    )
    unit_price: Amount = Field(
        description="Price of one unit, with taxes, in the order's currency.", examples=["39.90"]
    )
    discount: Annotated[Amount | None, BeforeValidator(none_if_blank)] = Field(
        None, description="What the buyer pays less for the whole line.", examples=["5.00"]
    )


class GivenOrder(_OrderMembers):
    """An order that is given to us. Lines, shipping and charges make up its `total`."""

    if TYPE_CHECKING:
        channel: str
        original_id: str
        purchased_at: datetime
        total: Decimal | None
        shipping_total: Decimal | None
        tax_total: Decimal | None
        charges: tuple[Any, ...]

    notes: Annotated[Text | None, BeforeValidator(none_if_blank)] = Field(
        None,
        description="What else is to be known of it. Kept as personal data.",
        examples=["Rings the bell twice."],
    )
    lines: tuple[GivenLine, ...] = Field(
        description="The lines of the order; one that was given stays.",
        min_length=1,
        max_length=MOST_LINES,
        examples=[
            [
                {
                    "original_id": "1",
                    "sku": "LAMP-12",
                    "title": "Desk lamp, brass",
                    "quantity_ordered": 3,
                    "unit_price": "39.90",
                }
            ]
        ],
    )

    @model_validator(mode="wrap")
    @classmethod
    def _with_all_faults(cls, value: Any, read: ModelWrapValidatorHandler[Self]) -> Self:  # noqa: ANN401 - any JSON value
        """Each fault in our words, and what is wrong with the order as a whole."""
        try:
            found = read(value)
        except ValidationError as error:
            errors = error.errors(include_input=False, include_url=False, include_context=False)
            faults = [_fault(each) for each in errors if not _is_echo(each, errors)]
        else:
            faults = [*_of_lines(found), *_of_line_amounts(found), *_of_amounts(found)]
            if not faults:
                return found
        details: list[InitErrorDetails] = [
            {"type": PydanticCustomError(code, message), "loc": place, "input": None}
            for code, place, message in faults[:MOST_FAULTS]
        ]
        raise ValidationError.from_exception_data(cls.__name__, details)


def check(value: Any) -> GivenOrder:  # noqa: ANN401 - any JSON value
    """A document that was given, as a checked one.

    Raises:
        UnfitDocument: Whatever is wrong with it, all at once; nothing of a value is repeated.
    """
    try:
        return GivenOrder.model_validate(value)
    except ValidationError as error:
        errors = error.errors(include_input=False, include_url=False, include_context=False)
        faults = [OrderFault(each["type"], "/".join(map(str, each["loc"])), each["msg"]) for each in errors]
    raise UnfitDocument(faults)


def _is_echo(error: Mapping[str, Any], every: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a list is only said to be too short because what is in it is wrong, which is another fault."""
    place = error["loc"]
    return error["type"] == "too_short" and any(
        len(each["loc"]) > len(place) and each["loc"][: len(place)] == place for each in every
    )


def _fault(error: Mapping[str, Any]) -> _Fault:
    place = error["loc"]
    match error["type"]:
        case "extra_forbidden":
            message = f"there is no such member{meant(str(place[-1])[:NAME_LIMIT], members_at(GivenOrder, place[:-1]))}"
        case "missing":
            message = "is required"
        case "string_pattern_mismatch":
            message = "holds characters that cannot be in it, or has another form than described"
        case "model_type":
            message = "should be an object"
        case "too_short" | "string_too_short":
            message = "needs something in it"
        case _:
            message = str(error["msg"]).removeprefix("Value error, ")
    return "invalid_field", tuple(each if isinstance(each, int) else each[:NAME_LIMIT] for each in place), message


def _of_lines(given: GivenOrder) -> Iterator[_Fault]:
    times = Counter(each.original_id for each in given.lines)
    for place, line in enumerate(given.lines):
        if times[line.original_id] > 1:
            yield "duplicate_line", ("lines", place, "original_id"), "another line of the order has the same id"
        if line.quantity_ordered < 1:
            yield "invalid_field", ("lines", place, "quantity_ordered"), "should be 1 or more"
        if line.quantity_cancelled > line.quantity_ordered:
            message = "is more than what is ordered"
            yield "invalid_field", ("lines", place, "quantity_cancelled"), message


def _of_line_amounts(given: GivenOrder) -> Iterator[_Fault]:
    for place, line in enumerate(given.lines):
        whole = _line_total(line)
        for name in ("unit_price", "discount"):
            if (getattr(line, name) or 0) < 0:
                yield "invalid_field", ("lines", place, name), "should not be below 0"
        if whole < 0:
            yield "invalid_field", ("lines", place, "discount"), "is more than the line's price"
        if whole >= TOO_MUCH:
            yield "invalid_field", ("lines", place, "unit_price"), "makes a line's price that cannot be right"
        if line.line_total is not None and line.line_total != whole:
            message = f"should be {whole:f}: unit_price × quantity_ordered − discount"
            yield "amounts_differ", ("lines", place, "line_total"), message


def _of_amounts(given: GivenOrder) -> Iterator[_Fault]:
    for name in ("shipping_total", "tax_total"):
        if (getattr(given, name) or 0) < 0:
            yield "invalid_field", (name,), "should not be below 0"
    whole = _total(given)
    if whole < 0:
        yield "amounts_differ", ("charges",), "what is taken off is more than the order's price"
    if given.total is not None and given.total != whole:
        yield "amounts_differ", ("total",), f"should be {whole:f}: all lines, shipping_total and charges"
    taxes = [each.amount for line in given.lines for each in line.taxes] + [each.tax for each in given.charges]
    known = sum((each for each in taxes if each is not None), Decimal(0))
    if given.tax_total is not None and given.tax_total < known:
        yield "amounts_differ", ("tax_total",), f"is less than the taxes of lines and charges, {known:f}"


def _line_total(line: GivenLine) -> Decimal:
    whole: Decimal = line.unit_price * line.quantity_ordered - (line.discount or Decimal(0))
    return whole


def _total(given: GivenOrder) -> Decimal:
    goods = sum((_line_total(each) for each in given.lines), given.shipping_total or Decimal(0))
    return sum((each.amount for each in given.charges), goods)


def member_paths(of: type = Order, above: str = "") -> Iterator[str]:
    """Each member that a document shares with its order, by its path; a list of records other than lines is one member."""
    for each in _members(of):
        path = f"{above}{each.name}"
        if each.kind is Kind.RECORD and (not each.is_list or each.type is Line):
            yield from member_paths(each.type, f"{path}.")
        else:
            yield path


# -- as an order


def order_of(given: GivenOrder, channel: str, marketplace: str, given_at: datetime) -> Order:
    """The order that a checked document tells of; numbers with a wrong check digit are problems of it.

    Args:
        given: The document.
        channel: The code of its channel.
        marketplace: What that channel sells on, for people.
        given_at: When it was given; what was given later counts.
    """
    lines = tuple(_line(each, number) for number, each in enumerate(given.lines, 1))
    is_cancelled = all(each.quantity_cancelled == each.quantity_ordered for each in lines)
    data = None if given.notes is None else {"notes": given.notes}
    members = _members_of(given, Order) | {
        "channel": channel,
        "marketplace": marketplace,
        "status": Status.CANCELED if is_cancelled else Status.WAITING_FOR_SHIPMENT,
        "marketplace_status": None,
        "fulfilled_by": FulfilledBy.MERCHANT,
        "marketplace_updated_at": given_at,
        "lines": lines,
        "is_whole": True,
        "total": _total(given),
        "personal_marketplace_data": data,
        "marketplace_data": {} if data is None else {"notes": None},
    }
    return check_order(Order(**members), "$.total", "$.references.vat_id", "$.lines[*].gtin")


def _line(given: GivenLine, number: int) -> Line:
    members = _members_of(given, Line) | {
        "number": number,
        "quantity_shipped": 0,
        "quantity_cancelled": given.quantity_cancelled,
        "quantity_priced": given.quantity_ordered,
        "source_unit_price": given.unit_price,
        "line_total": _line_total(given),
    }
    return Line(**members)


def _members_of(given: BaseModel, of: type) -> dict[str, Any]:
    """What a part of a document tells of the members of a described class."""
    found = {}
    for each in _members(of):
        value = getattr(given, each.attribute, None)
        if value is None or each.type is Line:
            continue
        if each.kind is Kind.RECORD:
            value = (
                tuple(each.type(**_members_of(one, each.type)) for one in value)
                if each.is_list
                else each.type(**_members_of(value, each.type))
            )
        found[each.attribute] = value
    return found


# -- as it is kept


def envelope(document: bytes, given_at: datetime) -> bytes:
    """A document, as JSON text, as it is kept: with when it was given."""
    return b'{"given_at":"%s","order":%s}' % (iso(given_at).encode(), document)


def opened(payload: Any) -> tuple[Any, datetime | None]:  # noqa: ANN401 - any JSON value
    """The document in a payload and when it was given; None for a document that was not taken in."""
    if isinstance(payload, dict) and payload.keys() == {"given_at", "order"}:
        return payload["order"], read_moment(payload["given_at"])
    return payload, None


def canonical(document: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """What two documents that say the same have in common."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def _personal_paths() -> Iterator[tuple[PathStep, ...]]:
    yield ("notes",)
    for each in _members(Order):
        if each.about.is_personal:
            yield (each.name, frozenset({"country_code"})) if each.type is Address else (each.name,)
    for each in _members(Line):
        if each.about.is_personal:
            yield ("lines", "*", each.name)
        elif each.kind is Kind.RECORD:
            within = ("lines", "*", each.name, *(("*",) if each.is_list else ()))
            yield from ((*within, own.name) for own in described(each.type) if own.about.is_personal)


PII_PATHS: tuple[tuple[PathStep, ...], ...] = tuple(
    whole for path in _personal_paths() for whole in (path, ("order", *path))
)
"""Where personal data stands in a document, alone or as it is kept. The country of an address may stay."""
