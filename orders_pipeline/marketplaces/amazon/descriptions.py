"""What describes an Amazon order beside goods and money: how, when and where to deliver, gifts, references, related orders.

Nothing here is needed to read an order: what cannot be read is a problem and the order goes on. The members of which an
order of ours is made are listed in `NAMED`; the rest of a payload is kept as it is. Addresses are in `normalise`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orders_pipeline.marketplaces.amazon.personal_data import PII_PATHS
from orders_pipeline.marketplaces.reading import JsonObject, code, instant, objects, section, text, tolerated
from orders_pipeline.marketplaces.source_data import SourceData, named, rest_of
from warehouse.order_parts import DeliveryPoint, DeliveryWindow, Gift, References, RelatedOrder

if TYPE_CHECKING:
    from warehouse.order_parts import OrderProblem

NAMED = named(
    *("orderId", "createdTime", "lastUpdatedTime", "programs", "packages"),
    *(f"buyer.{each}" for each in ("buyerName", "buyerEmail", "buyerCompanyName", "buyerPurchaseOrderNumber")),
    *(f"recipient.deliveryAddress.{each}" for each in ("name", "companyName", "addressLine1", "addressLine2")),
    *(f"recipient.deliveryAddress.{each}" for each in ("addressLine3", "city", "stateOrRegion", "postalCode")),
    *(f"recipient.deliveryAddress.{each}" for each in ("countryCode", "phone")),
    *(f"recipient.deliveryPreference.{each}" for each in ("dropOffLocation", "addressInstruction")),
    *("proceeds.grandTotal", "payment.paymentExecutions.*.paymentMethod"),
    *(f"fulfillment.{each}" for each in ("fulfillmentStatus", "fulfilledBy", "fulfillmentServiceLevel")),
    *("fulfillment.shipByWindow.latestDateTime", "fulfillment.deliverByWindow"),
    *(f"orderItems.*.{each}" for each in ("quantityOrdered", "cancellation")),
    *(f"orderItems.*.product.{each}" for each in ("asin", "title", "sellerSku", "customization.customizedUrl")),
    *(f"orderItems.*.product.{each}" for each in ("condition.conditionType", "condition.conditionSubtype")),
    *("orderItems.*.product.price.unitPrice", "orderItems.*.fulfillment.packing.giftOption"),
    *(f"orderItems.*.fulfillment.{each}" for each in ("quantityFulfilled", "quantityUnfulfilled")),
)

PICKUP_POINT = "PICKUP_POINT"
RELATIONS = {"REPLACEMENT_ORIGINAL_ID": "replacement_of", "EXCHANGE_ORIGINAL_ID": "exchange_of"}
COMPANY_NUMBERS = ("VAT", "BUSINESS", "CNPJ", "CST")
"""Kinds of tax numbers that are a company's, the preferred first; a person's (CPF) is none."""


class AmazonDescription(NamedTuple):
    """What describes an order."""

    service_level: str | None
    deliver_by: DeliveryWindow
    delivery_point: DeliveryPoint
    delivery_instructions: str | None
    references: References
    related_order: RelatedOrder | None


class AmazonLineDescription(NamedTuple):
    """What describes a line."""

    condition: str | None
    gift: Gift | None
    is_customised: bool
    customisation_url: str | None


def describe(order: JsonObject, problems: list[OrderProblem]) -> AmazonDescription:
    """Read what describes an order; each member that cannot be read is a problem and stays unknown."""
    return AmazonDescription(
        service_level=tolerated(problems, lambda: _service_level(order), None),
        deliver_by=tolerated(problems, lambda: _deliver_by(order), DeliveryWindow()),
        delivery_point=tolerated(problems, lambda: _delivery_point(order), DeliveryPoint()),
        delivery_instructions=tolerated(problems, lambda: _instructions(order), None),
        references=tolerated(problems, lambda: _references(order), References()),
        related_order=tolerated(problems, lambda: _related_order(order), None),
    )


def describe_line(item: JsonObject, path: str, problems: list[OrderProblem]) -> AmazonLineDescription:
    """Read what describes an item, like `describe`."""
    custom: JsonObject = tolerated(
        problems, lambda: section(section(item, "product", path), "customization", f"{path}.product"), {}
    )
    return AmazonLineDescription(
        condition=tolerated(problems, lambda: _condition(item, path), None),
        gift=tolerated(problems, lambda: _gift(item, path), None),
        is_customised=bool(custom),
        customisation_url=tolerated(
            problems, lambda: text(custom, "customizedUrl", f"{path}.product.customization"), None
        ),
    )


def source_data(order: JsonObject) -> SourceData:
    """What an order tells beside that."""
    return rest_of(order, NAMED, PII_PATHS, "orderItems", "orderItemId")


def _service_level(order: JsonObject) -> str | None:
    return text(section(order, "fulfillment", "$"), "fulfillmentServiceLevel", "$.fulfillment")


def _deliver_by(order: JsonObject) -> DeliveryWindow:
    path = "$.fulfillment.deliverByWindow"
    window = section(section(order, "fulfillment", "$"), "deliverByWindow", "$.fulfillment")
    return DeliveryWindow(
        earliest=instant(window, "earliestDateTime", path), latest=instant(window, "latestDateTime", path)
    )


def _delivery_point(order: JsonObject) -> DeliveryPoint:
    path = "$.recipient.deliveryAddress"
    address = section(section(order, "recipient", "$"), "deliveryAddress", "$.recipient")
    if text(address, "addressType", path) != PICKUP_POINT:
        return DeliveryPoint()
    return DeliveryPoint(name=text(address, "companyName", path))


def _instructions(order: JsonObject) -> str | None:
    path = "$.recipient.deliveryPreference"
    preference = section(section(order, "recipient", "$"), "deliveryPreference", "$.recipient")
    parts = (text(preference, "dropOffLocation", path), text(preference, "addressInstruction", path))
    return "; ".join(each for each in parts if each) or None


def _references(order: JsonObject) -> References:
    numbers: dict[str, str] = {}
    for index, each in enumerate(objects(section(order, "tax", "$"), "taxRegistrations", "$.tax")):
        path = f"$.tax.taxRegistrations[{index}]"
        number = code(each, "taxRegistrationNumber", path)
        if number is not None and text(each, "entityType", path) in {None, "BUYER"}:
            numbers.setdefault(text(each, "taxRegistrationType", path) or COMPANY_NUMBERS[0], number)
    return References(
        purchase_order=code(section(order, "buyer", "$"), "buyerPurchaseOrderNumber", "$.buyer"),
        vat_id=next((numbers[kind] for kind in COMPANY_NUMBERS if kind in numbers), None),
    )


def _related_order(order: JsonObject) -> RelatedOrder | None:
    for index, each in enumerate(objects(order, "associatedOrders", "$")):
        path = f"$.associatedOrders[{index}]"
        original_id, relation = code(each, "orderId", path), text(each, "associationType", path)
        if original_id is not None and relation is not None:
            return RelatedOrder(original_id=original_id, relation=RELATIONS.get(relation, relation))
    return None


def _condition(item: JsonObject, path: str) -> str | None:
    here = f"{path}.product.condition"
    sent = section(section(item, "product", path), "condition", f"{path}.product")
    parts = (text(sent, "conditionType", here), text(sent, "conditionSubtype", here))
    return "/".join(dict.fromkeys(each for each in parts if each)) or None


def _gift(item: JsonObject, path: str) -> Gift | None:
    here = f"{path}.fulfillment.packing"
    packing = section(section(item, "fulfillment", path), "packing", f"{path}.fulfillment")
    option = section(packing, "giftOption", here)
    gift = Gift(
        message=text(option, "giftMessage", f"{here}.giftOption"),
        wrap=text(option, "giftWrapLevel", f"{here}.giftOption"),
    )
    return gift if gift != Gift() else None
