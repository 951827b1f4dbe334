"""Made-up Mirakl orders in the shape of the seller API's OR11, and shipments in the shape of ST11.

What lives here: the shapes and amounts. What does not: what a shop may see of an order, and what happens to it later
(``state``).

Published orders name one fulfilment centre for the whole order, so a cart with both fulfilments is two orders with one
``commercial_id``. On request single lines carry a centre of their own too: no published field, but a shape that a
reader of orders must survive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from orders_pipeline.sandbox.clock import iso_millis, iso_seconds
from orders_pipeline.sandbox.generator import (
    COUNTRIES,
    WISHES,
    Catalogue,
    Choice,
    Person,
    PostalPlace,
    Product,
    Times,
    chance,
    happens,
    included_percentage,
    percentage_of,
    person,
    place,
)
from orders_pipeline.sandbox.json_values import JsonObject
from orders_pipeline.sandbox.tax_numbers import tax_number

DEFAULT_CENTER = "DEFAULT"
OPERATOR_CENTER = "FC-NORTH"
TAX_BASIS_POINTS = 2000
COMMISSION_BASIS_POINTS = 1200

CARRIERS: dict[str, tuple[str, str]] = {
    "DHL": ("DHL", "https://track.example/dhl/{trackingId}"),
    "UPS": ("UPS", "https://track.example/ups/{trackingId}"),
    "COLISSIMO": ("Colissimo", "https://track.example/colissimo/{trackingId}"),
    "SEUR": ("SEUR", "https://track.example/seur/{trackingId}"),
    "GLS": ("GLS", "https://track.example/gls/{trackingId}"),
}

BEFORE_DEBIT = frozenset({"STAGING", "WAITING_ACCEPTANCE", "WAITING_DEBIT", "WAITING_DEBIT_PAYMENT"})
SHIPPED_OR_LATER = frozenset({"SHIPPED", "TO_COLLECT", "RECEIVED", "CLOSED"})
UNSHIPPED_SHIPMENT = frozenset({"SHIPPING", "READY_FOR_PICK_UP", "SHIPMENT_PREPARED"})

_STATE = Choice(
    {
        "STAGING": 2,
        "WAITING_ACCEPTANCE": 11,
        "WAITING_DEBIT": 3,
        "WAITING_DEBIT_PAYMENT": 7,
        "SHIPPING": 33,
        "SHIPPED": 24,
        "TO_COLLECT": 2,
        "RECEIVED": 8,
        "CLOSED": 3,
        "REFUSED": 3,
        "CANCELED": 4,
    }
)
_LINES = Choice({1: 58, 2: 22, 3: 10, 4: 5, 5: 3, 6: 2})
_QUANTITY = Choice({1: 70, 2: 16, 3: 6, 4: 4, 6: 2, 12: 2})
_WORKFLOW = Choice({"PAY_ON_ACCEPTANCE": 80, "PAY_ON_SHIPMENT": 10, "PAY_ON_DUE_DATE": 6, "PAY_ON_DELIVERY": 4})
_CATEGORIES = (("10010", "Maison & Déco"), ("20020", "Deportes"), ("30030", "Haushalt"), ("40040", "Outdoor"))
_SHIPPING_TYPES = (("STD", "Standard"), ("EXP", "Express"), ("PUDO", "Point relais"))
_COUNTRY_SPELLINGS = ("label", "alpha2", "alpha3")


@dataclass(frozen=True)
class MiraklChannel:
    """One sales channel of a shop, and the country its customers live in."""

    code: str
    label: str
    country: str


@dataclass(frozen=True)
class ShopTraits:
    """What of a shop shows in its orders."""

    channels: tuple[MiraklChannel, ...]
    tax_mode: str
    currency: str
    is_multi_shipment: bool


@dataclass(frozen=True)
class MiraklDraft:
    """What is decided about an order before its parts are written."""

    commercial_id: str
    order_id: str
    traits: ShopTraits
    channel: MiraklChannel | None
    created: datetime
    updated: datetime
    state: str
    center: str
    has_mixed_lines: bool
    customer: Person
    home: PostalPlace


@dataclass(frozen=True)
class Made:
    """An order and its shipments."""

    order: JsonObject
    shipments: list[JsonObject]


def make_orders(
    rng: Random,
    catalogue: Catalogue,
    traits: ShopTraits,
    times: Times,
    number: int,
    *,
    is_mixed: bool,
    has_mixed_lines: bool,
) -> list[Made]:
    """Make one order up, or the two that a cart with both fulfilments becomes."""
    channel = rng.choice(traits.channels)
    commercial_id = f"C{number:09d}"
    customer = person(rng, channel.country, is_business=chance(rng, 0.1))
    home = place(rng, channel.country)
    state = _STATE.pick(rng)
    centers = [DEFAULT_CENTER, OPERATOR_CENTER] if is_mixed else [_center(rng)]
    return [
        _write(
            rng,
            catalogue,
            MiraklDraft(
                commercial_id=commercial_id,
                order_id=f"{commercial_id}-{letter}",
                traits=traits,
                channel=None if chance(rng, 0.03) and not is_mixed else channel,
                created=times.created,
                updated=times.updated,
                state=state,
                center=center,
                has_mixed_lines=has_mixed_lines,
                customer=customer,
                home=home,
            ),
        )
        for letter, center in zip("AB", centers, strict=False)
    ]


def make_shipment(
    shipment_id: str,
    order: JsonObject,
    quantities: Mapping[str, int],
    moment: datetime,
    tracking: JsonObject | None,
    *,
    is_shipped: bool,
) -> JsonObject:
    """Write a shipment of an order's lines."""
    skus = {line["order_line_id"]: line.get("offer_sku") for line in order["order_lines"]}
    return {
        "id": shipment_id,
        "order_id": order["order_id"],
        "created_date": iso_millis(moment),
        "last_updated_date": iso_millis(moment),
        "invoice_reference": None,
        "shipped_date": iso_millis(moment) if is_shipped else None,
        "status": "SHIPPED" if is_shipped else "SHIPPING",
        "status_customer_debit": "NO_DEBIT",
        "shipment_lines": [
            {"order_line_id": line_id, "offer_sku": skus[line_id], "quantity": quantity, "package_reference": None}
            for line_id, quantity in quantities.items()
        ],
        "shipping_from": {"address": None, "warehouse": None},
        "tracking": tracking,
    }


def make_tracking(code: str, number: str) -> JsonObject:
    """Write the tracking of a registered carrier."""
    label, url = CARRIERS[code]
    return {
        "carrier_code": code,
        "carrier_name": label,
        "carrier_standard_code": code,
        "tracking_number": number,
        "tracking_url": url.replace("{trackingId}", number),
    }


def cancel_line(line: JsonObject, quantity: int, moment: datetime, reason: str, left: int) -> None:
    """Cancel a quantity of a line of which `left` pieces are left: its amounts fall, its own quantity does not."""
    correction = _correction(line, quantity, moment, reason, left)
    number = len(line["cancelations"]) + 1
    line["cancelations"].append({**correction, "id": f"CANCEL-{line['order_line_id']}-{number}"})
    for name in ("price", "total_price"):
        if line.get(name) is not None:
            line[name] = round(line[name] - correction["amount"], 2)
    for tax, cancelled in zip(line.get("taxes") or (), correction["taxes"], strict=True):
        tax["amount"] = round((tax.get("amount") or 0) - cancelled["amount"], 2)


def sum_up(order: JsonObject) -> None:
    """Bring the order's amounts in line with those of its lines."""
    lines: list[JsonObject] = order["order_lines"]
    order["price"] = _sum(lines, "price")
    order["total_price"] = round(order["price"] + (order.get("shipping_price") or 0), 2)


def refund_line(line: JsonObject, quantity: int, moment: datetime, reason: str, number: int) -> None:
    """Add a refund of a quantity to a line."""
    line["refunds"].append(
        {
            **_correction(line, quantity, moment, reason, line["quantity"]),
            "id": f"REFUND-{line['order_line_id']}-{number}",
            "order_refund_id": f"GROUP-{line['order_line_id']}-{number}",
            "refund_state": "REFUNDED",
            "state": "REFUNDED",
            "commission_tax_amount": 0.0,
            "transaction_date": iso_millis(moment),
            "transaction_number": None,
        }
    )


def cancelled_quantity(line: JsonObject) -> int:
    """Return how many pieces of a line were cancelled."""
    return sum(int(each.get("quantity") or 0) for each in line.get("cancelations") or ())


def _correction(line: JsonObject, quantity: int, moment: datetime, reason: str, left: int) -> JsonObject:
    share = quantity / left if left else 0
    return {
        "amount": round((line.get("price") or 0) * share, 2),
        "quantity": quantity,
        "shipping_amount": 0.0,
        "reason_code": reason,
        "created_date": iso_seconds(moment),
        "commission_amount": 0.0,
        "commission_total_amount": 0.0,
        "commission_taxes": [],
        "taxes": [
            {"code": tax.get("code"), "rate": tax.get("rate"), "amount": round((tax.get("amount") or 0) * share, 2)}
            for tax in line.get("taxes") or ()
        ],
        "shipping_taxes": [],
    }


def _center(rng: Random) -> str:
    return OPERATOR_CENTER if chance(rng, 0.08) else DEFAULT_CENTER


def _write(rng: Random, catalogue: Catalogue, draft: MiraklDraft) -> Made:
    products = catalogue.pick(rng, max(2 if draft.has_mixed_lines else 1, _LINES.pick(rng)))
    has_derived_ids = chance(rng, 0.7)
    lines = [
        _line(rng, draft, product, index, has_derived_ids=has_derived_ids) for index, product in enumerate(products, 1)
    ]
    order = _order(rng, draft, lines)
    shipments = _settle(rng, draft, order)
    return Made(order, shipments)


def _order(rng: Random, draft: MiraklDraft, lines: list[JsonObject]) -> JsonObject:
    price = _sum(lines, "price")
    shipping = _sum(lines, "shipping_price")
    is_debited = draft.state not in BEFORE_DEBIT | {"REFUSED"}
    accepted = draft.created + (draft.updated - draft.created) / 3
    shipping_type = rng.choice(_SHIPPING_TYPES)
    home = COUNTRIES[draft.home.country]
    return {
        "order_id": draft.order_id,
        "commercial_id": draft.commercial_id,
        "created_date": iso_seconds(draft.created),
        "last_updated_date": iso_seconds(draft.updated),
        "acceptance_decision_date": None if draft.state in ("STAGING", "WAITING_ACCEPTANCE") else iso_seconds(accepted),
        "customer_debited_date": iso_millis(accepted + timedelta(minutes=5)) if is_debited else None,
        "transaction_date": iso_millis(accepted + timedelta(minutes=5)) if is_debited else None,
        "transaction_number": None,
        "shipping_deadline": iso_millis(draft.created + timedelta(days=2)) if is_debited else None,
        "delivery_date": _delivery(draft) if chance(rng, 0.5) else None,
        "currency_iso_code": draft.traits.currency,
        "order_state": draft.state,
        "order_state_reason_code": None,
        "order_state_reason_label": None,
        "order_tax_mode": draft.traits.tax_mode,
        "price": price,
        "shipping_price": shipping,
        "total_price": round(price + shipping, 2),
        "total_commission": _sum(lines, "total_commission"),
        "payment_workflow": _WORKFLOW.pick(rng),
        "payment_type": "CARD",
        "paymentType": "CARD",
        "references": {
            "order_reference_for_customer": draft.commercial_id,
            "order_reference_for_seller": None,
        },
        "channel": {"code": draft.channel.code, "label": draft.channel.label} if draft.channel else None,
        "fulfillment": {"center": {"code": draft.center}},
        "can_shop_ship": draft.state == "SHIPPING" and draft.center == DEFAULT_CENTER and not chance(rng, 0.01),
        "can_cancel": draft.state in ("WAITING_DEBIT", "WAITING_DEBIT_PAYMENT", "SHIPPING"),
        "customer_directly_pays_seller": False,
        "has_customer_message": chance(rng, 0.05),
        "has_incident": draft.state in SHIPPED_OR_LATER and chance(rng, 0.02),
        "has_invoice": False,
        "fully_refunded": False,
        "customer": _customer(rng, draft),
        "customer_notification_email": f"{draft.customer.email_local_part}@notification.example",
        "leadtime_to_ship": 2,
        "shipping_carrier_code": None,
        "shipping_carrier_standard_code": None,
        "shipping_company": None,
        "shipping_pudo_id": f"{draft.home.country}-{draft.commercial_id[-5:]}" if shipping_type[0] == "PUDO" else None,
        "shipping_tracking": None,
        "shipping_tracking_url": None,
        "shipping_type_code": shipping_type[0],
        "shipping_type_label": shipping_type[1],
        "shipping_type_standard_code": None,
        "shipping_zone_code": home.alpha3,
        "shipping_zone_label": home.label,
        "order_additional_fields": _additional_fields(rng),
        "promotions": {"applied_promotions": [], "total_deduced_amount": 0.0},
        "order_taxes": None,
        "order_refunds": None,
        "quote_id": None,
        "order_lines": lines,
    }


def _delivery(draft: MiraklDraft) -> JsonObject:
    return {
        "earliest": iso_millis(draft.created + timedelta(days=3)),
        "latest": iso_millis(draft.created + timedelta(days=6)),
    }


def _additional_fields(rng: Random) -> list[JsonObject]:
    if chance(rng, 0.7):
        return []
    return [{"code": "gift-message", "type": "STRING", "value": "Joyeux anniversaire 🎂"}]


def _engraving(line_id: str) -> list[JsonObject]:
    if not happens(line_id, "engraving", 0.03):
        return []
    return [{"code": "engraving", "type": "STRING", "value": WISHES[len(line_id) % len(WISHES)]}]


def _customer(rng: Random, draft: MiraklDraft) -> JsonObject:
    who = draft.customer
    customer: JsonObject = {
        "customer_id": f"CUST-{who.email_local_part[:8]}",
        "civility": rng.choice(("Mr", "Mrs", None)),
        "firstname": who.first_name,
        "lastname": who.last_name,
        "locale": None,
        "billing_address": _address(rng, draft),
        "shipping_address": {**_address(rng, draft), "additional_info": rng.choice((None, "Code 1234", "Hinterhaus"))},
    }
    if who.company:
        customer["organization"] = {
            "organization_id": f"ORG-{who.email_local_part[:6]}",
            "name": who.company,
            "address": None,
            "identification_number": None,
            "tax_identification_number": tax_number(draft.home.country, int(who.email_local_part[:7], 16)),
        }
    return customer


def _address(rng: Random, draft: MiraklDraft) -> JsonObject:
    home = COUNTRIES[draft.home.country]
    return {
        "civility": None,
        "firstname": draft.customer.first_name,
        "lastname": draft.customer.last_name,
        "company": draft.customer.company,
        "company_2": None,
        "street_1": draft.home.street,
        "street_2": draft.home.extra,
        "zip_code": draft.home.postal_code,
        "city": draft.home.city,
        "state": draft.home.state,
        "country": getattr(home, rng.choice(_COUNTRY_SPELLINGS)),
        "country_iso_code": None if chance(rng, 0.05) else home.alpha3,
        "phone": draft.home.phone,
        "phone_secondary": None,
    }


def _line(rng: Random, draft: MiraklDraft, product: Product, index: int, *, has_derived_ids: bool) -> JsonObject:
    quantity = _QUANTITY.pick(rng)
    price = product.price_cents * quantity
    shipping = rng.choice((0, 0, 399, 490))
    commission = percentage_of(price, COMMISSION_BASIS_POINTS)
    category = rng.choice(_CATEGORIES)
    # Line ids must not be guessable from the order id: some operators use ids of their own.
    line_id = f"{draft.order_id}-{index}" if has_derived_ids else f"{rng.getrandbits(64):016x}"
    line: JsonObject = {
        "order_line_id": line_id,
        "order_line_index": index,
        "order_line_state": draft.state,
        "order_line_state_reason_code": None,
        "order_line_state_reason_label": None,
        "offer_id": 100_000 + int(product.sku[4:9]),
        "offer_sku": product.sku,
        "offer_state_code": "11",
        "product_sku": f"OP-{product.gtin[-8:]}",
        "product_shop_sku": product.sku,
        "product_title": product.title,
        "product_medias": [],
        "category_code": category[0],
        "category_label": category[1],
        "description": None,
        "quantity": quantity,
        "price_unit": _amount(product.price_cents),
        "origin_unit_price": _amount(product.price_cents),
        "price": _amount(price),
        "price_additional_info": None,
        "shipping_price": _amount(shipping),
        "shipping_price_unit": None,
        "shipping_price_additional_unit": None,
        "total_price": _amount(price + shipping),
        "taxes": [],
        "shipping_taxes": [],
        "fees": [],
        "commission_fee": _amount(commission),
        "commission_rate_vat": 0.0,
        "commission_vat": 0.0,
        "commission_taxes": [{"code": "TAXZERO", "rate": 0.0, "amount": 0.0}],
        "total_commission": _amount(commission),
        "cancelations": [],
        "refunds": [],
        "can_refund": draft.state in SHIPPED_OR_LATER,
        "created_date": iso_seconds(draft.created),
        "last_updated_date": iso_seconds(draft.updated),
        "debited_date": None if draft.state in BEFORE_DEBIT else iso_seconds(draft.updated),
        "shipped_date": None,
        "received_date": None,
        "promotions": [],
        "order_line_additional_fields": _engraving(line_id),
        "shipping_from": {
            "address": None,
            "warehouse": {"code": "WH-2"} if happens(line_id, "warehouse", 0.05) else None,
        },
    }
    # Some operators declare prices without tax and then send no taxes: both are seen, both must be survived.
    if draft.traits.tax_mode == "TAX_INCLUDED" or not chance(rng, 0.1):
        tax_of = percentage_of if draft.traits.tax_mode == "TAX_EXCLUDED" else included_percentage
        line["taxes"] = [_tax(tax_of(price, TAX_BASIS_POINTS))]
        line["shipping_taxes"] = [_tax(tax_of(shipping, TAX_BASIS_POINTS))] if shipping else []
    if draft.has_mixed_lines:
        line["fulfillment"] = {"center": {"code": DEFAULT_CENTER if index % 2 else OPERATOR_CENTER}}
    return line


def _tax(cents: int) -> JsonObject:
    return {
        "amount": _amount(cents),
        "code": "VAT20",
        "rate": TAX_BASIS_POINTS / 100,
        "tax_calculation_rule": "PROPORTIONAL_TO_AMOUNT",
    }


def _settle(rng: Random, draft: MiraklDraft, order: JsonObject) -> list[JsonObject]:
    """Bring lines, cancellations, refunds and shipments in line with the state that was drawn."""
    lines: list[JsonObject] = order["order_lines"]
    if draft.state == "CANCELED":
        for line in lines:
            cancel_line(line, line["quantity"], draft.updated, "OUT_OF_STOCK", line["quantity"])
        sum_up(order)
    if draft.state in SHIPPED_OR_LATER:
        return _settle_shipped(rng, draft, order)
    if draft.state == "SHIPPING":
        _cancel_some(rng, draft, lines)
        sum_up(order)
        if draft.traits.is_multi_shipment and draft.center == DEFAULT_CENTER and chance(rng, 0.25):
            return _ship_part(rng, draft, order)
    return []


def _cancel_some(rng: Random, draft: MiraklDraft, lines: list[JsonObject]) -> None:
    for line in lines:
        if line["quantity"] > 1 and chance(rng, 0.1):
            cancel_line(line, 1, draft.updated, "CUSTOMER_REQUEST", line["quantity"])


def _settle_shipped(rng: Random, draft: MiraklDraft, order: JsonObject) -> list[JsonObject]:
    quantities: dict[str, int] = {}
    for line in order["order_lines"]:
        line["shipped_date"] = iso_seconds(draft.updated)
        if draft.state in ("RECEIVED", "CLOSED"):
            line["received_date"] = iso_seconds(draft.updated)
        if chance(rng, 0.05):
            refund_line(line, rng.choice((0, 1)), draft.updated, "DAMAGED", 1)
        quantities[line["order_line_id"]] = line["quantity"]
    tracking = make_tracking(rng.choice(tuple(CARRIERS)), f"TRK{rng.randrange(10**10, 10**11)}")
    order["shipping_carrier_code"] = order["shipping_carrier_standard_code"] = tracking["carrier_code"]
    order["shipping_company"] = tracking["carrier_name"]
    order["shipping_tracking"] = tracking["tracking_number"]
    order["shipping_tracking_url"] = tracking["tracking_url"]
    shipment = make_shipment(_uuid(rng), order, quantities, draft.updated, tracking, is_shipped=True)
    shipment["status"] = draft.state
    return [shipment] if draft.traits.is_multi_shipment else []


def _ship_part(rng: Random, draft: MiraklDraft, order: JsonObject) -> list[JsonObject]:
    lines = [line for line in order["order_lines"] if line["quantity"] > cancelled_quantity(line)]
    if len(lines) == 1 and lines[0]["quantity"] - cancelled_quantity(lines[0]) == 1:
        return []
    first = lines[0]
    open_quantity = first["quantity"] - cancelled_quantity(first)
    quantity = open_quantity if len(lines) > 1 else rng.randrange(1, open_quantity)
    tracking = make_tracking(rng.choice(tuple(CARRIERS)), f"TRK{rng.randrange(10**10, 10**11)}")
    if quantity == open_quantity:
        first["order_line_state"] = "SHIPPED"
        first["shipped_date"] = iso_seconds(draft.updated)
    quantities = {first["order_line_id"]: quantity}
    return [make_shipment(_uuid(rng), order, quantities, draft.updated, tracking, is_shipped=True)]


def _uuid(rng: Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _sum(lines: list[JsonObject], name: str) -> float:
    return _amount(sum(round((line.get(name) or 0) * 100) for line in lines))


def _amount(cents: int) -> float:
    """Return an amount as the JSON number that Mirakl sends; two decimals survive this exactly in its repr."""
    return cents / 100
