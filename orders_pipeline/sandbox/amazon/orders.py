"""Made-up Amazon orders in the shape of the Orders 2026-01-01 model.

What lives here: the marketplaces, the shapes and amounts of an order. What does not: what a caller may see of it, and
what happens to it later (``state``).

An order is made complete, with prices and personal data even while it is pending; the state shows what is due.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from orders_pipeline.sandbox.clock import iso_millis
from orders_pipeline.sandbox.generator import (
    WISHES,
    Catalogue,
    Choice,
    Person,
    PostalPlace,
    Product,
    Times,
    chance,
    decimal_text,
    happens,
    included_percentage,
    percentage_of,
    person,
    place,
)
from orders_pipeline.sandbox.json_values import JsonObject
from orders_pipeline.sandbox.tax_numbers import tax_number

JAPANESE_YEN_PER_EURO = 160
ADDITIVE_IN_EUROPE = 0.2
CARRIERS = ("DHL", "UPS", "DPD", "GLS", "FedEx")


@dataclass(frozen=True)
class AmazonMarketplace:
    """One Amazon site. ``tax_basis_points`` is its tax rate in hundredths of a percent."""

    id: str
    name: str
    region: str
    country: str
    currency: str
    decimals: int
    tax_basis_points: int
    is_tax_additive: bool = False


MARKETPLACES: dict[str, AmazonMarketplace] = {
    site.id: site
    for site in (
        AmazonMarketplace("A13V1IB3VIYZZH", "Amazon.fr", "EU", "FR", "EUR", 2, 2000),
        AmazonMarketplace("A1PA6795UKMFR9", "Amazon.de", "EU", "DE", "EUR", 2, 1900),
        AmazonMarketplace("A1RKKUPIHCS9HS", "Amazon.es", "EU", "ES", "EUR", 2, 2100),
        AmazonMarketplace("APJ6JRA9NG5V4", "Amazon.it", "EU", "IT", "EUR", 2, 2200),
        AmazonMarketplace("A1F83G8C2ARO7P", "Amazon.co.uk", "EU", "GB", "GBP", 2, 2000),
        AmazonMarketplace("A2NODRKZP88ZB9", "Amazon.se", "EU", "SE", "SEK", 2, 2500),
        AmazonMarketplace("A1C3SOZRARQ6R3", "Amazon.pl", "EU", "PL", "PLN", 2, 2300),
        AmazonMarketplace("AMEN7PMS3EDWL", "Amazon.com.be", "EU", "FR", "EUR", 2, 2100),
        AmazonMarketplace("A1805IZSGTT6HS", "Amazon.nl", "EU", "DE", "EUR", 2, 2100),
        AmazonMarketplace("A28R8C7NBKEWEA", "Amazon.ie", "EU", "GB", "EUR", 2, 2300),
        AmazonMarketplace("ATVPDKIKX0DER", "Amazon.com", "NA", "US", "USD", 2, 725, is_tax_additive=True),
        AmazonMarketplace("A2EUQ1WTGCTBG2", "Amazon.ca", "NA", "CA", "CAD", 2, 1300, is_tax_additive=True),
        AmazonMarketplace("A1VC38T7YXB528", "Amazon.co.jp", "FE", "JP", "JPY", 0, 1000),
        AmazonMarketplace("A39IBJ37TRP1C6", "Amazon.com.au", "FE", "AU", "AUD", 2, 1000),
    )
}

_KNOWN_ELSEWHERE = {
    "A1AM78C64UM0Y8": "NA",
    "A2Q3Y263D00KWC": "NA",
    "A19VAU5U5O7RUS": "FE",
    "A21TJRUUN4KGV": "EU",
    "A33AVAJ2PDY3EV": "EU",
    "A2VIGQ35RCS4UG": "EU",
    "A17E79C6D8DWNP": "EU",
    "ARBP9OOSHTCHU": "EU",
}


def region_of(marketplace_id: str) -> str | None:
    """Return the region of a marketplace id, None when Amazon has none of that id."""
    site = MARKETPLACES.get(marketplace_id)
    return site.region if site else _KNOWN_ELSEWHERE.get(marketplace_id)


_STATUS = Choice(
    {
        "PENDING_AVAILABILITY": 1,
        "PENDING": 8,
        "UNSHIPPED": 34,
        "PARTIALLY_SHIPPED": 6,
        "SHIPPED": 42,
        "CANCELLED": 8,
        "UNFULFILLABLE": 1,
    }
)
_LINES = Choice({1: 55, 2: 22, 3: 11, 4: 6, 5: 4, 6: 2})
_QUANTITY = Choice({1: 72, 2: 15, 3: 6, 4: 3, 6: 2, 10: 1, 25: 1})
_SERVICE = Choice({"STANDARD": 70, "EXPEDITED": 15, "NEXT_DAY": 8, "FREE_ECONOMY": 7})
_PAYMENT = Choice({"CreditCard": 70, "Invoice": 10, "GiftCard": 10, "ConvenienceStore": 10})
_ASSOCIATION = ("REPLACEMENT_ORIGINAL_ID", "EXCHANGE_ORIGINAL_ID")
_WRAPS = ("Classic", "Premium")
_DROP_OFFS = ("FRONT_DOOR", "RECEPTION", "NEIGHBOUR")
_CANCEL_REASONS = ("BUYER_CANCELED", "NO_INVENTORY", "ADDRESS_UNDELIVERABLE", "PRICING_ERROR")
_REQUEST_REASONS = ("Ordered by mistake", "Found cheaper elsewhere", "Livraison trop lente", "もう必要ありません")


@dataclass(frozen=True)
class AmazonDraft:
    """What is decided about an order before its parts are written."""

    order_id: str
    site: AmazonMarketplace
    created: datetime
    updated: datetime
    status: str
    fulfilled_by: str
    is_business: bool
    is_additive: bool
    buyer: Person
    home: PostalPlace


def make_order(rng: Random, catalogue: Catalogue, site: AmazonMarketplace, times: Times, number: int) -> JsonObject:
    """Make one order up, in the state that it has at its update."""
    return _write(rng, catalogue, _draft(rng, site, times, number))


def make_mixed_pair(
    rng: Random, catalogue: Catalogue, site: AmazonMarketplace, times: Times, numbers: tuple[int, int]
) -> list[JsonObject]:
    """Make the two orders up that a cart with merchant's and Amazon's articles becomes at Amazon."""
    first = _draft(rng, site, times, numbers[0])
    status = first.status if first.status in ("PENDING", "UNSHIPPED", "SHIPPED") else "UNSHIPPED"
    return [
        _write(rng, catalogue, _sibling(first, order_id, status, fulfilled_by))
        for order_id, fulfilled_by in ((first.order_id, "MERCHANT"), (order_number(site, numbers[1]), "AMAZON"))
    ]


def order_number(site: AmazonMarketplace, number: int) -> str:
    """Return the order id in Amazon's 3-7-7 form; unique per number."""
    prefix = 100 + (sum(map(ord, site.id)) % 800)
    scrambled = (number * 7_919_777 + 1_234_567) % 10**14
    return f"{prefix}-{scrambled // 10**7:07d}-{scrambled % 10**7:07d}"


def _sibling(draft: AmazonDraft, order_id: str, status: str, fulfilled_by: str) -> AmazonDraft:
    return AmazonDraft(**{**draft.__dict__, "order_id": order_id, "status": status, "fulfilled_by": fulfilled_by})


def _draft(rng: Random, site: AmazonMarketplace, times: Times, number: int) -> AmazonDraft:
    status = _STATUS.pick(rng)
    is_by_amazon = status == "UNFULFILLABLE" or (status != "PARTIALLY_SHIPPED" and chance(rng, 0.3))
    is_business = chance(rng, 0.12)
    return AmazonDraft(
        order_id=order_number(site, number),
        site=site,
        created=times.created,
        updated=times.updated,
        status=status,
        fulfilled_by="AMAZON" if is_by_amazon else "MERCHANT",
        is_business=is_business,
        is_additive=site.is_tax_additive or chance(rng, ADDITIVE_IN_EUROPE),
        buyer=person(rng, site.country, is_business=is_business),
        home=place(rng, site.country),
    )


def _write(rng: Random, catalogue: Catalogue, draft: AmazonDraft) -> JsonObject:
    items = [
        _item(rng, draft, product, f"{draft.order_id.replace('-', '')[3:]}{position:02d}")
        for position, product in enumerate(catalogue.pick(rng, _LINES.pick(rng)), start=1)
    ]
    order: JsonObject = {
        "orderId": draft.order_id,
        "createdTime": iso_millis(draft.created),
        "lastUpdatedTime": iso_millis(draft.updated),
        "programs": _programs(rng, draft),
        "salesChannel": _sales_channel(draft),
        "buyer": _buyer(rng, draft),
        "recipient": _recipient(draft),
        "proceeds": _order_proceeds(items, draft.site),
        "fulfillment": _fulfillment(rng, draft),
        "orderItems": items,
    }
    if chance(rng, 0.1):
        order["orderAliases"] = [{"aliasId": f"WEB-{draft.order_id[-7:]}", "aliasType": "SELLER_ORDER_ID"}]
    if chance(rng, 0.02):
        order["associatedOrders"] = [
            {"orderId": order_number(draft.site, rng.randrange(10**9)), "associationType": rng.choice(_ASSOCIATION)}
        ]
    order["payment"] = {
        "paymentExecutions": [{"paymentMethod": _PAYMENT.pick(rng), "paymentAmount": order["proceeds"]["grandTotal"]}]
    }
    if draft.is_business:
        order["tax"] = _registrations(rng, draft)
    _settle_status(rng, draft, order)
    return order


def _settle_status(rng: Random, draft: AmazonDraft, order: JsonObject) -> None:
    """Bring quantities, cancellations and packages in line with the status that was drawn."""
    items: list[JsonObject] = order["orderItems"]
    if draft.status == "CANCELLED":
        by = rng.choice(("BUYER", "MERCHANT", "AMAZON"))
        for item in items:
            cancel_item(item, by, rng.choice(_CANCEL_REASONS))
    elif draft.status == "SHIPPED":
        for item in items[1:]:
            if chance(rng, 0.04):
                cancel_item(item, "MERCHANT", "NO_INVENTORY")
        ship_items(order, open_quantities(order), draft.updated, rng)
    elif draft.status == "PARTIALLY_SHIPPED":
        _ship_some(rng, draft, order)
    elif draft.status == "UNSHIPPED" and draft.fulfilled_by == "MERCHANT" and chance(rng, 0.05):
        request_cancellation(rng.choice(items), rng.choice(_REQUEST_REASONS))


def _ship_some(rng: Random, draft: AmazonDraft, order: JsonObject) -> None:
    items: list[JsonObject] = order["orderItems"]
    if len(items) == 1 and items[0]["quantityOrdered"] == 1:
        order["fulfillment"]["fulfillmentStatus"] = "UNSHIPPED"
        return
    if len(items) == 1:
        part = {items[0]["orderItemId"]: rng.randrange(1, items[0]["quantityOrdered"])}
    else:
        shipped = items[: rng.randrange(1, len(items))]
        part = {item["orderItemId"]: rng.randrange(1, item["quantityOrdered"] + 1) for item in shipped}
    ship_items(order, part, draft.updated, rng)


def open_quantities(order: JsonObject) -> dict[str, int]:
    """Return what is neither shipped nor cancelled, per order item id."""
    return {
        item["orderItemId"]: item.get("fulfillment", {}).get("quantityUnfulfilled", item["quantityOrdered"])
        for item in order["orderItems"]
        if item.get("fulfillment", {}).get("quantityUnfulfilled", item["quantityOrdered"]) > 0
    }


def cancel_item(item: JsonObject, by: str, reason: str) -> None:
    """Mark what is left of an order item as cancelled."""
    item.setdefault("cancellation", {})["cancellationExecution"] = {"cancelledBy": by, "cancelReason": reason}
    fulfillment = item.setdefault("fulfillment", {"quantityFulfilled": 0})
    fulfillment["quantityUnfulfilled"] = 0


def request_cancellation(item: JsonObject, reason: str) -> None:
    """Mark an order item as one that the buyer asked to cancel."""
    item.setdefault("cancellation", {})["cancellationRequest"] = {"requester": "BUYER", "cancelReason": reason}


def ship_items(order: JsonObject, quantities: dict[str, int], moment: datetime, rng: Random) -> None:
    """Ship quantities of order items; a merchant's order gets a package for it."""
    fulfillment = order.setdefault("fulfillment", {})
    for item in order["orderItems"]:
        quantity = quantities.get(item["orderItemId"], 0)
        if quantity:
            move_quantity(item, quantity)
    fulfillment["fulfillmentStatus"] = "PARTIALLY_SHIPPED" if open_quantities(order) else "SHIPPED"
    if fulfillment.get("fulfilledBy") != "MERCHANT" or not quantities:
        return
    packages: list[JsonObject] = order.setdefault("packages", [])
    packages.append(
        {
            "packageReferenceId": str(len(packages) + 1),
            "createdTime": iso_millis(moment),
            "packageStatus": {"status": "SHIPPED"},
            "carrier": rng.choice(CARRIERS),
            "shipTime": iso_millis(moment),
            "shippingService": "Standard",
            "trackingNumber": f"TRK{rng.randrange(10**11, 10**12)}",
            "packageItems": [{"orderItemId": key, "quantity": value} for key, value in quantities.items()],
        }
    )


def move_quantity(item: JsonObject, quantity: int) -> None:
    """Move a quantity of an order item from open to fulfilled; a negative one moves it back."""
    fulfillment = item.setdefault("fulfillment", {})
    fulfillment["quantityUnfulfilled"] = fulfillment.get("quantityUnfulfilled", item["quantityOrdered"]) - quantity
    fulfillment["quantityFulfilled"] = fulfillment.get("quantityFulfilled", 0) + quantity


def _programs(rng: Random, draft: AmazonDraft) -> list[str]:
    programs = ["AMAZON_BUSINESS"] if draft.is_business else []
    if draft.status == "PENDING_AVAILABILITY":
        programs.append("PREORDER")
    if chance(rng, 0.2):
        programs.append("PRIME")
    elif draft.fulfilled_by == "MERCHANT" and chance(rng, 0.04):
        programs.append("FBM_SHIP_PLUS")
    elif chance(rng, 0.04):
        programs.append("PREMIUM")
    return programs


def _sales_channel(draft: AmazonDraft) -> JsonObject:
    name = "NON_AMAZON" if draft.status == "UNFULFILLABLE" else "AMAZON"
    return {"channelName": name, "marketplaceId": draft.site.id, "marketplaceName": draft.site.name}


def _buyer(rng: Random, draft: AmazonDraft) -> JsonObject:
    buyer: JsonObject = {"buyerName": draft.buyer.name}
    if draft.fulfilled_by == "MERCHANT":
        buyer["buyerEmail"] = f"{draft.buyer.email_local_part}@marketplace.example"
    if draft.buyer.company:
        buyer["buyerCompanyName"] = draft.buyer.company
        if chance(rng, 0.5):
            buyer["buyerPurchaseOrderNumber"] = f"PO-{rng.randrange(10**5, 10**6)}"
    return buyer


def _recipient(draft: AmazonDraft) -> JsonObject:
    home = draft.home
    address: JsonObject = {
        "city": home.city,
        "stateOrRegion": home.state,
        "postalCode": home.postal_code,
        "countryCode": home.country,
    }
    if draft.fulfilled_by == "MERCHANT":
        address = {"name": draft.buyer.name, "addressLine1": home.street, **address, "phone": home.phone}
        address["addressType"] = "COMMERCIAL" if draft.buyer.company else "RESIDENTIAL"
        if happens(draft.order_id, "pickup", 0.04):
            address |= {"addressType": "PICKUP_POINT", "companyName": f"Locker {draft.order_id[-4:]}"}
            return {"deliveryAddress": address}
        if home.extra:
            address["addressLine2"] = home.extra
        if draft.buyer.company:
            address["companyName"] = draft.buyer.company
    recipient: JsonObject = {"deliveryAddress": address}
    if draft.fulfilled_by == "MERCHANT" and happens(draft.order_id, "instructions", 0.06):
        drop_off = _DROP_OFFS[len(draft.home.street) % len(_DROP_OFFS)]
        recipient["deliveryPreference"] = {"dropOffLocation": drop_off, "addressInstruction": "Code 4711"}
    return recipient


def _fulfillment(rng: Random, draft: AmazonDraft) -> JsonObject:
    ship_by = draft.created + timedelta(days=2)
    return {
        "fulfillmentStatus": draft.status,
        "fulfilledBy": draft.fulfilled_by,
        "fulfillmentServiceLevel": _SERVICE.pick(rng),
        "shipByWindow": {"earliestDateTime": iso_millis(draft.created), "latestDateTime": iso_millis(ship_by)},
        "deliverByWindow": {
            "earliestDateTime": iso_millis(ship_by + timedelta(days=1)),
            "latestDateTime": iso_millis(ship_by + timedelta(days=4)),
        },
    }


def _registrations(rng: Random, draft: AmazonDraft) -> JsonObject:
    number = tax_number(draft.site.country, rng.randrange(10**8, 10**9))
    if number is None:
        return {}
    registration = {"entityType": "BUYER", "taxRegistrationType": "VAT", "taxRegistrationNumber": number}
    return {"taxRegistrations": [registration]}


def _item(rng: Random, draft: AmazonDraft, product: Product, item_id: str) -> JsonObject:
    site = draft.site
    quantity = _QUANTITY.pick(rng)
    unit = product.price_cents if site.decimals else product.price_cents * JAPANESE_YEN_PER_EURO // 100
    item: JsonObject = {
        "orderItemId": item_id,
        "quantityOrdered": quantity,
        "product": {
            "asin": product.asin,
            "title": product.title,
            "sellerSku": product.sku,
            "condition": {"conditionType": "NEW", "conditionSubtype": "NEW"},
            "price": {"unitPrice": _money(unit, site)},
        },
        "proceeds": _item_proceeds(rng, draft, unit * quantity, item_id),
        "fulfillment": {"quantityFulfilled": 0, "quantityUnfulfilled": quantity},
    }
    if any(part["type"] == "GIFT_WRAP" for part in item["proceeds"]["breakdowns"]):
        wish = WISHES[quantity % len(WISHES)]
        option = {"giftMessage": wish, "giftWrapLevel": _WRAPS[quantity % len(_WRAPS)]}
        item["fulfillment"]["packing"] = {"giftOption": option}
    if happens(item_id, "custom", 0.02):
        item["product"]["customization"] = {"customizedUrl": f"https://custom.example/{item_id}.zip"}
    if draft.is_business and chance(rng, 0.4):
        item["product"]["price"]["priceDesignation"] = "BUSINESS_PRICE"
    if chance(rng, 0.03):
        item["programs"] = [rng.choice(("TRANSPARENCY", "SUBSCRIBE_AND_SAVE"))]
    if chance(rng, 0.05):
        item["promotion"] = {"breakdowns": [{"promotionId": f"PROMO-{rng.randrange(1000):03d}"}]}
    if site.country == "JP":
        item["expense"] = {
            "pointsCost": {"pointsGranted": {"pointsNumber": quantity, "pointsMonetaryValue": _money(quantity, site)}}
        }
    if site.is_tax_additive:
        item["tax"] = {"taxCollections": [{"model": "MARKETPLACE_FACILITATOR", "responsibleParty": "Amazon Services"}]}
    return item


def _item_proceeds(rng: Random, draft: AmazonDraft, goods: int, item_id: str) -> JsonObject:
    """Write an item's amounts: additive orders sum with the tax, inclusive ones without it.

    A discount is one of the goods, or one that gives the shipping away.
    """
    site = draft.site
    parts = {"ITEM": goods}
    if chance(rng, 0.5):
        parts["SHIPPING"] = rng.choice((299, 499, 790)) if site.decimals else rng.choice((400, 600))
    if chance(rng, 0.04):
        parts["GIFT_WRAP"] = 350 if site.decimals else 300
    discounted = "ITEM"
    if chance(rng, 0.1):
        parts["DISCOUNT"] = -percentage_of(goods, rng.choice((500, 1000, 1500)))
    elif "SHIPPING" in parts and happens(item_id, "free shipping", 0.1):
        parts["DISCOUNT"], discounted = -parts["SHIPPING"], "SHIPPING"
    if site.country == "JP" and happens(item_id, "cash on delivery", 0.1):
        parts["COD_FEE"] = 330
    tax_of = percentage_of if draft.is_additive else included_percentage
    taxes = {name: tax_of(amount, site.tax_basis_points) for name, amount in parts.items()}
    tax = sum(taxes.values())
    total = sum(parts.values()) + (tax if draft.is_additive else 0)
    breakdowns: list[JsonObject] = [{"type": name, "subtotal": _money(amount, site)} for name, amount in parts.items()]
    for part in breakdowns:
        if part["type"] == "DISCOUNT" and discounted != "ITEM":
            part["detailedBreakdowns"] = [{"subtype": discounted, "value": part["subtotal"]}]
    breakdowns.append(
        {
            "type": "TAX",
            "subtotal": _money(tax, site),
            "detailedBreakdowns": [{"subtype": name, "value": _money(amount, site)} for name, amount in taxes.items()],
        }
    )
    return {"proceedsTotal": _money(total, site), "breakdowns": breakdowns}


def _order_proceeds(items: list[JsonObject], site: AmazonMarketplace) -> JsonObject:
    sums: dict[str, int] = {}
    total = 0
    for item in items:
        total += _minor(item["proceeds"]["proceedsTotal"])
        for part in item["proceeds"]["breakdowns"]:
            sums[part["type"]] = sums.get(part["type"], 0) + _minor(part["subtotal"])
    return {
        "grandTotal": _money(total, site),
        "breakdowns": [{"type": name, "subtotal": _money(amount, site)} for name, amount in sums.items()],
    }


def _money(minor_units: int, site: AmazonMarketplace) -> JsonObject:
    return {"amount": decimal_text(minor_units, site.decimals), "currencyCode": site.currency}


def _minor(money: JsonObject) -> int:
    return int(money["amount"].replace(".", ""))
