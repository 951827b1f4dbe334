"""Made-up orders of eBay, in the shape of Fulfillment API v1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from orders_pipeline.sandbox.clock import iso_millis
from orders_pipeline.sandbox.generator import Catalogue, Choice, PostalPlace, chance, decimal_text, person, place
from orders_pipeline.sandbox.json_values import JsonObject

SITES = Choice({"EBAY_DE": 5, "EBAY_US": 4})
COUNTRY = {"EBAY_DE": "DE", "EBAY_US": "US"}
CURRENCY = {"EBAY_DE": "EUR", "EBAY_US": "USD"}
SERVICE = {"EBAY_DE": "DE_DHLPaket", "EBAY_US": "USPSPriority"}
STATES = Choice({"NOT_STARTED": 6, "FULFILLED": 3, "PENDING": 1, "CANCELED": 1})
KINDS = Choice({"SHIP_TO": 8, "FULFILLED_BY_EBAY": 1, "INTERNATIONAL": 1})
LINES = Choice({1: 6, 2: 3, 3: 1})
UNITS = Choice({1: 8, 2: 1, 3: 2})
TAX_BASIS_POINTS = 825


@dataclass(frozen=True)
class EbayDraft:
    """What an order is made of."""

    number: int
    created: datetime
    updated: datetime
    catalogue: Catalogue
    state: str | None = None
    site: str | None = None


def money(cents: int, currency: str) -> JsonObject:
    """An amount as eBay writes it."""
    return {"value": decimal_text(cents, 2), "currency": currency}


def make(rng: Random, draft: EbayDraft) -> JsonObject:
    """One order, its amounts as `TAX_BREAKDOWN` shows them."""
    site, kind, state = draft.site or SITES.pick(rng), KINDS.pick(rng), draft.state or STATES.pick(rng)
    country, currency = COUNTRY[site], CURRENCY[site]
    buyer, home = person(rng, country), place(rng, country)
    lines = [_line(rng, draft, number, site, state) for number in range(1, LINES.pick(rng) + 1)]
    email = f"{buyer.email_local_part}@members.example"
    contact: JsonObject = {
        "fullName": buyer.name,
        "contactAddress": _address(home),
        "primaryPhone": {"phoneNumber": home.phone},
        "email": email,
    }
    start: JsonObject = {
        "fulfillmentInstructionsType": "SHIP_TO" if kind == "INTERNATIONAL" else kind,
        "minEstimatedDeliveryDate": iso_millis(draft.created + timedelta(days=3)),
        "maxEstimatedDeliveryDate": iso_millis(draft.created + timedelta(days=6)),
        "shippingStep": {"shipTo": contact, "shippingServiceCode": SERVICE[site]},
    }
    program: JsonObject = {}
    if kind == "FULFILLED_BY_EBAY":
        start["shippingStep"].pop("shipTo")
        program = {"fulfillmentProgram": {"fulfilledBy": "EBAY"}}
    elif kind == "INTERNATIONAL":
        hub = place(rng, country)
        start |= {"ebaySupportedFulfillment": True, "finalDestinationAddress": _address(place(rng, "FR"))}
        start["shippingStep"]["shipTo"] = {"fullName": "Sandbox hub", "contactAddress": _address(hub), "email": email}
        program = {"ebayInternationalShipping": {"returnsManagedBy": "EBAY"}}
    is_paid = state != "PENDING"
    order: JsonObject = {
        "orderId": f"{draft.number % 90 + 10}-{10000 + draft.number // 90 % 90000}-{10000 + draft.number * 37 % 90000}",
        "legacyOrderId": f"{110000000000 + draft.number * 41}",
        "creationDate": iso_millis(draft.created),
        "lastModifiedDate": iso_millis(draft.updated),
        "orderFulfillmentStatus": "FULFILLED" if state == "FULFILLED" else "NOT_STARTED",
        "orderPaymentStatus": "PAID" if is_paid else "PENDING",
        "sellerId": "sandbox_seller",
        "buyer": {"username": f"buyer_{buyer.email_local_part[:8]}", "buyerRegistrationAddress": dict(contact)},
        "pricingSummary": _summary(lines, currency),
        "cancelStatus": {"cancelState": "CANCELED" if state == "CANCELED" else "NONE_REQUESTED", "cancelRequests": []},
        "paymentSummary": {"refunds": [], "payments": [_payment(draft, lines, currency)] if is_paid else []},
        "fulfillmentStartInstructions": [start],
        "fulfillmentHrefs": [],
        "lineItems": lines,
        "salesRecordReference": str(draft.number),
    }
    return {**order, "program": program} if program else order


def _address(home: PostalPlace) -> JsonObject:
    return {
        "addressLine1": home.street,
        **({"addressLine2": home.extra} if home.extra else {}),
        "city": home.city,
        "stateOrProvince": home.state,
        "postalCode": home.postal_code,
        "countryCode": home.country,
    }


def _line(rng: Random, draft: EbayDraft, number: int, site: str, state: str) -> JsonObject:
    product = draft.catalogue.products[rng.randrange(len(draft.catalogue.products))]
    units, currency = UNITS.pick(rng), CURRENCY[site]
    cost = product.price_cents * units
    discounted = cost * 9 // 10 if chance(rng, 0.2) else cost
    shipping = 499 if chance(rng, 0.4) else 0
    line: JsonObject = {
        "lineItemId": f"{10000000000 + draft.number * 10 + number}",
        "legacyItemId": f"{120000000000 + int(product.gtin[4:12])}",
        "sku": product.sku,
        "title": product.title,
        "lineItemCost": money(cost, currency),
        "quantity": units,
        "soldFormat": "FIXED_PRICE",
        "listingMarketplaceId": site,
        "purchaseMarketplaceId": site,
        "lineItemFulfillmentStatus": "FULFILLED" if state == "FULFILLED" else "NOT_STARTED",
        "deliveryCost": {"shippingCost": money(shipping, currency)},
        "appliedPromotions": [],
        "taxes": [],
        "refunds": [],
        "properties": {"buyerProtection": True},
        "lineItemFulfillmentInstructions": {"shipByDate": iso_millis(draft.created + timedelta(days=2))},
        "itemLocation": {"location": "Sandbox", "countryCode": COUNTRY[site], "postalCode": "10115"},
    }
    if discounted != cost:
        line["discountedLineItemCost"] = money(discounted, currency)
    if site == "EBAY_US":
        tax = money((discounted + shipping) * TAX_BASIS_POINTS // 10_000, currency)
        line["taxes"] = [{"amount": tax, "taxType": "STATE_SALES_TAX"}]
        line["ebayCollectAndRemitTaxes"] = [{"taxType": "STATE_SALES_TAX", "amount": tax, "collectionMethod": "NET"}]
    line["total"] = money(discounted + shipping + sum(_cents(each["amount"]) for each in line["taxes"]), currency)
    return line


def _summary(lines: Sequence[JsonObject], currency: str) -> JsonObject:
    subtotal = sum(_cents(line["lineItemCost"]) for line in lines)
    goods = sum(_cents(line.get("discountedLineItemCost") or line["lineItemCost"]) for line in lines)
    delivery = sum(_cents(line["deliveryCost"]["shippingCost"]) for line in lines)
    tax = sum(_cents(each["amount"]) for line in lines for each in line["taxes"])
    return {
        "priceSubtotal": money(subtotal, currency),
        **({"priceDiscount": money(goods - subtotal, currency)} if goods != subtotal else {}),
        "deliveryCost": money(delivery, currency),
        **({"tax": money(tax, currency)} if tax else {}),
        "total": money(goods + delivery + tax, currency),
    }


def _payment(draft: EbayDraft, lines: Sequence[JsonObject], currency: str) -> JsonObject:
    return {
        "paymentMethod": "EBAY",
        "paymentDate": iso_millis(draft.created),
        "amount": money(sum(_cents(line["total"]) for line in lines), currency),
        "paymentStatus": "PAID",
    }


def _cents(amount: Any) -> int:  # noqa: ANN401 - an amount as eBay writes it
    return round(float(amount["value"]) * 100)
