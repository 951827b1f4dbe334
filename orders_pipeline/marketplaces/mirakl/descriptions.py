"""What describes a Mirakl order beside goods and money: how, when and where to deliver, the buyer's references.

Nothing here is needed to read an order: what cannot be read is a problem and the order goes on. The members of which an
order of ours is made are listed in `NAMED`; the rest of a payload is kept as it is, the operator's custom fields among it.
Addresses are in `normalise`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orders_pipeline.marketplaces.mirakl.personal_data import PII_PATHS
from orders_pipeline.marketplaces.reading import JsonObject, code, instant, section, text, tolerated
from orders_pipeline.marketplaces.source_data import SourceData, named, rest_of
from warehouse.order_parts import DeliveryPoint, DeliveryWindow, References

if TYPE_CHECKING:
    from warehouse.order_parts import OrderProblem

_ADDRESS = (
    *("firstname", "lastname", "company", "company_2", "street_1", "street_2", "additional_info"),
    *("zip_code", "city", "state", "country", "country_iso_code", "phone"),
)

NAMED = named(
    *("order_id", "created_date", "last_updated_date", "order_state", "currency_iso_code", "fulfillment"),
    *("payment_type", "paymentType", "payment_workflow", "customer_debited_date", "shipping_deadline", "delivery_date"),
    *("customer_notification_email", "shipping_pudo_id", "shipping_type_code"),
    *("customer.firstname", "customer.lastname"),
    *("customer.organization.name", "customer.organization.tax_identification_number"),
    *(f"customer.{address}.{each}" for address in ("shipping_address", "billing_address") for each in _ADDRESS),
    *(f"order_lines.*.{each}" for each in ("order_line_index", "order_line_state", "quantity", "price_unit")),
    *(f"order_lines.*.{each}" for each in ("offer_sku", "product_sku", "product_title", "offer_state_code")),
    *(f"order_lines.*.{each}" for each in ("fulfillment", "shipping_from.warehouse.code")),
)


class MiraklDescription(NamedTuple):
    """What describes an order."""

    service_level: str | None
    deliver_by: DeliveryWindow
    delivery_point: DeliveryPoint
    references: References


class MiraklLineDescription(NamedTuple):
    """What describes a line."""

    marketplace_sku: str | None
    condition: str | None
    ship_from: str | None


def describe(order: JsonObject, problems: list[OrderProblem]) -> MiraklDescription:
    """Read what describes an order; each member that cannot be read is a problem and stays unknown."""
    return MiraklDescription(
        service_level=tolerated(problems, lambda: text(order, "shipping_type_code", "$"), None),
        deliver_by=tolerated(problems, lambda: _deliver_by(order), DeliveryWindow()),
        delivery_point=tolerated(
            problems, lambda: DeliveryPoint(id=code(order, "shipping_pudo_id", "$")), DeliveryPoint()
        ),
        references=tolerated(problems, lambda: _references(order), References()),
    )


def describe_line(line: JsonObject, path: str, problems: list[OrderProblem]) -> MiraklLineDescription:
    """Read what describes a line, like `describe`."""
    return MiraklLineDescription(
        marketplace_sku=tolerated(problems, lambda: code(line, "product_sku", path), None),
        condition=tolerated(problems, lambda: text(line, "offer_state_code", path), None),
        ship_from=tolerated(problems, lambda: _ship_from(line, path), None),
    )


def source_data(order: JsonObject) -> SourceData:
    """What an order tells beside that."""
    return rest_of(order, NAMED, PII_PATHS, "order_lines", "order_line_id")


def _deliver_by(order: JsonObject) -> DeliveryWindow:
    sent = section(order, "delivery_date", "$")
    return DeliveryWindow(
        earliest=instant(sent, "earliest", "$.delivery_date"), latest=instant(sent, "latest", "$.delivery_date")
    )


def _references(order: JsonObject) -> References:
    path = "$.customer.organization"
    organization = section(section(order, "customer", "$"), "organization", "$.customer")
    return References(vat_id=code(organization, "tax_identification_number", path))


def _ship_from(line: JsonObject, path: str) -> str | None:
    here = f"{path}.shipping_from"
    return code(section(section(line, "shipping_from", path), "warehouse", here), "code", f"{here}.warehouse")
