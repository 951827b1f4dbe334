"""`python -m tests.specs DIR`: what goes between our clients and the stand-ins, against official descriptions.

These cannot be part of the project, so this runs outside of the suite. DIR holds `walmart_us_mp_orders.json` and
`ebay_sell_fulfillment_v1_oas3.json` (OpenAPI 3.0), `otto_orders_shipments_returns_models.json` (models of a generated client)
and `target_plus_fields.json` (fields and words that third parties have compiled). Each difference is printed once, with the
operation and the place, and makes the exit code 1. A file that is not there is named, and left out.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema_rs import Draft202012Validator

from orders_pipeline.marketplaces.errors import MarketplaceError
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.ebay.state import EbaySandbox
from orders_pipeline.sandbox.engine import AdvanceRequest, GenerateRequest
from orders_pipeline.sandbox.otto.state import OttoSandbox
from orders_pipeline.sandbox.server import running
from orders_pipeline.sandbox.target_plus.state import TargetSandbox
from orders_pipeline.sandbox.walmart.state import WalmartSandbox
from tests.marketplaces.ebay import conftest as ebay
from tests.marketplaces.ebay import test_ebay_client as ebay_calls
from tests.marketplaces.otto import conftest as otto
from tests.marketplaces.otto.test_otto_traffic import use_everything as use_otto
from tests.marketplaces.target_plus import conftest as target
from tests.marketplaces.target_plus.test_target_traffic import use_everything as use_target
from tests.marketplaces.traffic import Traffic, recorded
from tests.marketplaces.walmart import conftest as walmart
from tests.marketplaces.walmart.test_walmart_traffic import use_everything

Json = dict[str, Any]


@dataclass(frozen=True)
class Official:
    """An official description, and what there is of ours.

    Attributes:
        file: Its name.
        prefix: What our paths have before its own.
        use: Makes every call that the client has.
        corrections: References of the file that lead to a wrong schema, by where they stand, and where they should lead.
        read: Makes an OpenAPI description of the file, where it is none.
    """

    file: str
    prefix: str
    use: Callable[[], Traffic]
    corrections: dict[tuple[str, ...], str]
    read: Callable[[Json], Json] = lambda description: description


def walmart_traffic() -> Traffic:
    """Every call to Walmart."""
    sandbox = WalmartSandbox(seed=3, rate_factor=float("inf"))
    sandbox.generate(GenerateRequest(orders=450))
    seen = recorded(sandbox)
    with running(create_app(sandbox)) as url:
        shop = walmart.Shop(sandbox, url)
        use_everything(shop)
        for client in shop.clients:
            client.close()
    return seen


def ebay_traffic() -> Traffic:
    """Every call of the Fulfillment API."""
    sandbox = EbaySandbox(seed=3, rate_factor=float("inf"))
    sandbox.generate(GenerateRequest(orders=300))
    seen = recorded(sandbox)
    with running(create_app(sandbox)) as url:
        shop = ebay.Shop(sandbox, url)
        client = shop.client()
        record = ebay_calls.open_order(shop)
        shop.ids(client)
        client.confirm([ebay_calls.parcel(record)])
        client.confirm([ebay_calls.parcel(record)])
        ebay_calls.ask(shop, ebay_calls.open_order(shop))
        sandbox.advance(AdvanceRequest("refund"))
        with suppress(MarketplaceError):
            client.confirm([ebay_calls.parcel(record, original_id="nobody-knows")])
        shop.ids(client)
        list(client.read_back([record.id, "nobody-knows"]))
        client.close()
    return seen


def otto_traffic() -> Traffic:
    """Every call to OTTO."""
    sandbox = OttoSandbox(seed=3, rate_factor=float("inf"))
    sandbox.generate(GenerateRequest(orders=300))
    seen = recorded(sandbox)
    with running(create_app(sandbox)) as url:
        shop = otto.Shop(sandbox, url)
        use_otto(shop)
        for client in shop.clients:
            client.close()
    return seen


def target_traffic() -> Traffic:
    """Every call to Target."""
    sandbox = TargetSandbox(seed=7, rate_factor=float("inf"))
    seen = recorded(sandbox)
    with running(create_app(sandbox)) as url:
        use_target(target.Place(sandbox, url))
    return seen


_PLAIN_TYPES = {"string": "string", "DateTime": "string", "int": "integer", "float": "number", "bool": "boolean"}
_OTTO_ANSWERS = {
    "GET /v4/orders": "PartnerOrderListOrdersV4",
    "GET /v4/orders/{salesOrderId}": "PartnerOrderOrdersV4",
    "POST /v1/shipments": "CreateShipmentResponseShipmentsV1",
    "GET /v1/shipments": "ShipmentListShipmentsV1",
    "GET /v1/shipments/carriers/{carrier}/trackingnumbers/{trackingNumber}": "ShipmentShipmentsV1",
}


def read_otto(file: Json) -> Json:
    """An OpenAPI description of the models of a generated client: which of them an answer is, and which members they have.

    Corrected is what its generator got wrong: OTTO wants a return label of parcels only, not of freight.
    """
    schemas = {name: _model(members, file["models"]) for name, members in file["models"].items()}
    schemas["PositionItemShipmentsV1"]["required"].remove("returnTrackingKey")
    paths: Json = {}
    for operation, name in _OTTO_ANSWERS.items():
        method, path = operation.split(" ")
        answer = {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}
        status = "201" if method == "POST" else "200"
        paths.setdefault(path, {})[method.lower()] = {"parameters": None, "responses": {status: answer}}
    paths["/v1/shipments"]["post"]["requestBody"] = {
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/CreateShipmentRequestShipmentsV1"}}}
    }
    return {"paths": paths, "components": {"schemas": schemas}}


def _model(members: Json, models: Json) -> Json:
    found = {}
    for name, member in members.items():
        kind = member["type"].removesuffix("[]")
        schema: Json = {"$ref": f"#/components/schemas/{kind}"} if kind in models else {}
        if kind in _PLAIN_TYPES:
            schema = {"type": _PLAIN_TYPES[kind], **({"enum": member["enum"]} if "enum" in member else {})}
        found[name] = {"type": "array", "items": schema} if member["type"].endswith("[]") else schema
    required = [name for name, member in members.items() if not member["optional"]]
    return {"type": "object", "properties": found, "required": required, "additionalProperties": False}


def read_target(file: Json) -> Json:
    """An OpenAPI description of what third parties say of Target: names of members, words of states, and no types."""
    states = {"order_status": {"enum": file["order_status"]}}
    address, fulfillment = _fields(file["address"]), _fields(file["fulfillment"])
    line = _fields(file["order_line"])
    line["properties"]["order_line_statuses"] = {
        "items": {"properties": {"status": {"enum": file["order_line_status"]}, "quantity": {"type": "integer"}}}
    }
    order = _fields(file["order"])
    order["properties"] |= {
        **states,
        "order_lines": {"items": line},
        "addresses": {"properties": {"shipping_address": address, "billing_address": address}},
    }
    sent = _fields([each for each in file["fulfillment"] if each not in {"id", "order_id"}])
    shapes: dict[str, tuple[Json | None, Json | None]] = {
        "list_orders": (None, {"type": "array", "items": order}),
        "get_order": (None, order),
        "set_status": ({"properties": {"status": {"enum": file["order_status"]}}}, order),
        "bulk_create_fulfillments": (
            {"required": ["items"], "properties": {"items": {"items": sent}}},
            {"required": ["results"], "properties": {"results": {"items": fulfillment}}},
        ),
        "list_fulfillments": (None, {"type": "array", "items": fulfillment}),
    }
    paths: Json = {}
    for name, (body, answer) in shapes.items():
        about = file["operations"][name]
        names = [{"name": each, "in": "query"} for each in about["query"]] if "query" in about else None
        answered = {"content": {"application/json": {"schema": answer}}}
        paths.setdefault(about["path"], {})[about["method"].lower()] = {
            "parameters": names,
            "requestBody": {"content": {"application/json": {"schema": body}}} if body else None,
            "responses": dict.fromkeys(("200", "201"), answered),
        }
    return {"paths": paths, "components": {"schemas": {}}}


def _fields(names: list[str]) -> Json:
    """An object of members by their names; what follows a name says more of it in words."""
    found: Json = {re.match(r"\w+", each).group(): {} for each in names}  # type: ignore[union-attr]
    return {"type": "object", "properties": found, "additionalProperties": False}


_SCHEMAS = ("components", "schemas")
_ANSWER = ("responses", "200", "content", "application/json")
OFFICIAL = (
    Official(
        "walmart_us_mp_orders.json",
        "",
        walmart_traffic,
        {
            (*_SCHEMAS, "GetOrderResponseRecord", "properties", "orderLines"): "OrderLinesType",
            (*_SCHEMAS, "Order", "properties", "orderLines"): "OrderLinesType",
            (*_SCHEMAS, "OrderShipmentRecord", "properties", "orderLines"): "ShippingLinesType",
            ("paths", "/v3/orders/{purchaseOrderId}", "get", *_ANSWER, "schema"): "GetOrderResponse",
        },
    ),
    Official("ebay_sell_fulfillment_v1_oas3.json", "/sell/fulfillment/v1", ebay_traffic, {}),
    Official("otto_orders_shipments_returns_models.json", "", otto_traffic, {}, read_otto),
    Official("target_plus_fields.json", "/seller_orders/v1", target_traffic, {}, read_target),
)


def differences(official: Official, description: Json) -> list[str]:
    """What of the traffic is not as it is described, each once."""
    for place, schema in official.corrections.items():
        _at(description, place[:-1])[place[-1]] = {"$ref": f"#/components/schemas/{schema}"}
    found: dict[str, None] = {}
    for call, outcome in official.use():
        path = call.operation.path.removeprefix(official.prefix)
        operation = _operation(description, path, call.operation.method)
        if operation is None:
            continue
        described = operation.get("parameters", ())
        names = {key for key, _ in call.query}
        if described is None:  # the file says nothing of them
            names = set()
        for name in names - {each["name"] for each in described or () if each.get("in") == "query"}:
            found[f"{call.operation.name}: query parameter {name} is not described"] = None
        answer = operation["responses"].get(str(outcome.status), {})
        sides = (("request", operation.get("requestBody"), call.body), ("answer", answer, outcome.content))
        for side, part, body in sides:
            schema = ((part or {}).get("content", {}).get("application/json") or {}).get("schema")
            if schema is None or not body:
                continue
            for error in _validator(schema, description).iter_errors(_said(json.loads(body))):
                place = ".".join("[]" if isinstance(each, int) else str(each) for each in error.instance_path)
                found[f"{call.operation.name} {side}: {place}: {error.message[:160]}"] = None
    return list(found)


def _operation(description: Json, path: str, method: str) -> Json | None:
    plain = _plain(path)
    found = next((each for each in description["paths"] if _plain(each) == plain), None)
    return None if found is None else description["paths"][found].get(method.lower())


def _plain(path: str) -> str:
    """A path whatever its variable parts are called."""
    return "/".join("*" if part.startswith("{") else part for part in path.split("/"))


_MADE: dict[int, Draft202012Validator] = {}


def _validator(schema: Json, description: Json) -> Draft202012Validator:
    if id(schema) not in _MADE:
        _MADE[id(schema)] = Draft202012Validator({**schema, "components": description["components"]})
    return _MADE[id(schema)]


def _said(value: Any) -> Any:
    """A value without members that are null: they stand for what is left out."""
    if isinstance(value, dict):
        return {name: _said(each) for name, each in value.items() if each is not None}
    return [_said(each) for each in value] if isinstance(value, list) else value


def _at(value: Any, place: tuple[str, ...]) -> Any:
    for key in place:
        value = value[key]
    return value


def main() -> int:
    """Compare, and print what differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.specs", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the official descriptions are")
    folder = parser.parse_args().folder
    status = 0
    for official in OFFICIAL:
        file = folder / official.file
        if not file.exists():
            sys.stdout.write(f"{official.file}: is not there\n")
            continue
        found = differences(official, official.read(json.loads(file.read_text())))
        sys.stdout.write("\n  ".join([f"{official.file}: {len(found)} differences", *found]) + "\n")
        status |= bool(found)
    return status


if __name__ == "__main__":
    sys.exit(main())
