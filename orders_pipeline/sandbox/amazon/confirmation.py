"""The body of a confirmShipment call: parsing and checking it on its own.

What lives here: every rule that needs nothing but the body. What does not: rules about the order (``state``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orders_pipeline.sandbox.clock import parse_iso
from orders_pipeline.sandbox.json_values import JsonValue

COD_METHOD = "DirectPayment"


class InvalidConfirmationError(ValueError):
    """The body breaks a rule; the message says which."""


@dataclass(frozen=True)
class Confirmation:
    """One package as the seller reported it."""

    marketplace_id: str
    package_reference_id: str
    carrier_code: str
    carrier_name: str | None
    shipping_method: str | None
    tracking_number: str
    ship_date: str
    quantities: Mapping[str, int]
    transparency_codes: Mapping[str, list[str]]
    cod_collection_method: str | None

    def as_package(self, created_time: str) -> dict[str, Any]:
        """Return the package as the order shows it."""
        items: list[dict[str, Any]] = []
        for item_id, quantity in self.quantities.items():
            item: dict[str, Any] = {"orderItemId": item_id, "quantity": quantity}
            if self.transparency_codes.get(item_id):
                item["transparencyCodes"] = self.transparency_codes[item_id]
            items.append(item)
        is_named = self.carrier_code == "Other" and self.carrier_name
        package: dict[str, Any] = {
            "packageReferenceId": self.package_reference_id,
            "createdTime": created_time,
            "packageStatus": {"status": "SHIPPED"},
            "carrier": self.carrier_name if is_named else self.carrier_code,
            "shipTime": self.ship_date,
            "trackingNumber": self.tracking_number,
            "packageItems": items,
        }
        if self.shipping_method:
            package["shippingService"] = self.shipping_method
        return package


def parse_confirmation(body: bytes) -> Confirmation:
    """Parse and check a body; raises InvalidConfirmationError."""
    try:
        payload = json.loads(body)
    except ValueError as error:
        msg = "The request body is not JSON."
        raise InvalidConfirmationError(msg) from error
    payload = _object(payload, "payload")
    package = _object(payload.get("packageDetail"), "packageDetail")
    carrier_code = _text(package, "carrierCode")
    carrier_name = _optional_text(package, "carrierName")
    if carrier_code == "Other" and not carrier_name:
        msg = "CarrierName: is required when carrierCode is Other."
        raise InvalidConfirmationError(msg)
    items = _items(package.get("orderItems"))
    return Confirmation(
        marketplace_id=_text(payload, "marketplaceId"),
        package_reference_id=_reference(package.get("packageReferenceId")),
        carrier_code=carrier_code,
        carrier_name=carrier_name,
        shipping_method=_optional_text(package, "shippingMethod"),
        tracking_number=_text(package, "trackingNumber"),
        ship_date=_ship_date(package),
        quantities={item["orderItemId"]: item["quantity"] for item in items},
        transparency_codes={item["orderItemId"]: item.get("transparencyCodes") or [] for item in items},
        cod_collection_method=_cod(payload),
    )


def _object(value: JsonValue, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        msg = f"{name}: must be an object."
        raise InvalidConfirmationError(msg)
    return value


def _text(holder: Mapping[str, Any], name: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str) or not value.strip():
        msg = f"{name}: is required and must be a text."
        raise InvalidConfirmationError(msg)
    return value


def _optional_text(holder: Mapping[str, Any], name: str) -> str | None:
    return None if holder.get(name) is None else _text(holder, name)


def _reference(value: JsonValue) -> str:
    if not isinstance(value, str) or not value.isascii() or not value.isdigit() or int(value) < 1:
        msg = "PackageReferenceId: is invalid, must be a positive numeric value."
        raise InvalidConfirmationError(msg)
    return value


def _ship_date(package: Mapping[str, Any]) -> str:
    text = _text(package, "shipDate")
    if parse_iso(text) is None:
        msg = "shipDate: must be an ISO 8601 date-time."
        raise InvalidConfirmationError(msg)
    return text


def _cod(payload: Mapping[str, Any]) -> str | None:
    method = payload.get("codCollectionMethod")
    if method not in (None, COD_METHOD):
        msg = f"codCollectionMethod: only {COD_METHOD} is known."
        raise InvalidConfirmationError(msg)
    return COD_METHOD if method else None


def _items(value: JsonValue) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value:
        msg = "OrderItemId is invalid: orderItems must be a list that is not empty."
        raise InvalidConfirmationError(msg)
    items = [_object(item, "orderItems") for item in value]
    for item in items:
        _text(item, "orderItemId")
        quantity = item.get("quantity")
        if not isinstance(quantity, int) or isinstance(quantity, bool) or quantity < 1:
            msg = "Quantity: must be a whole number above 0."
            raise InvalidConfirmationError(msg)
    if len({item["orderItemId"] for item in items}) != len(items):
        msg = "OrderItemId is invalid: an order item is listed twice."
        raise InvalidConfirmationError(msg)
    return items
