"""`python -m tests.specs DIR`: what goes between our clients and the stand-ins, against official descriptions.

These cannot be part of the project, so this runs outside of the suite: DIR holds `walmart_us_mp_orders.json` and
`ebay_sell_fulfillment_v1_oas3.json` (OpenAPI 3.0). It prints each difference once, with the operation and the place, and exits
with 1 when there is one. OTTO's is a list of models and Target's is not public: their traffic is checked in the suite alone.
"""

from __future__ import annotations

import argparse
import json
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
from orders_pipeline.sandbox.engine import AdvanceRequest, Call, GenerateRequest, Sandbox, SandboxOutcome
from orders_pipeline.sandbox.server import running
from orders_pipeline.sandbox.walmart.state import WalmartSandbox
from tests.marketplaces.ebay import conftest as ebay
from tests.marketplaces.ebay import test_ebay_client as ebay_calls
from tests.marketplaces.walmart import conftest as walmart
from tests.marketplaces.walmart.test_walmart_traffic import use_everything

Json = dict[str, Any]
Traffic = list[tuple[Call, SandboxOutcome]]


@dataclass(frozen=True)
class Official:
    """An official description, and what there is of ours.

    Attributes:
        file: Its name.
        prefix: What our paths have before its own.
        use: Makes every call that the client has.
        corrections: References of the file that lead to a wrong schema, by where they stand, and where they should lead.
    """

    file: str
    prefix: str
    use: Callable[[], Traffic]
    corrections: dict[tuple[str, ...], str]


def _recorded(sandbox: Sandbox) -> Traffic:
    seen: Traffic = []
    take = sandbox.take

    def taken(call: Call) -> SandboxOutcome:
        outcome = take(call)
        seen.append((call, outcome))
        return outcome

    sandbox.take = taken  # type: ignore[method-assign]
    return seen


def walmart_traffic() -> Traffic:
    """Every call to Walmart."""
    sandbox = WalmartSandbox(seed=3, rate_factor=float("inf"))
    sandbox.generate(GenerateRequest(orders=450))
    seen = _recorded(sandbox)
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
    seen = _recorded(sandbox)
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
        parameters = {each["name"] for each in operation.get("parameters", ()) if each.get("in") == "query"}
        for name in {key for key, _ in call.query} - parameters:
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
        found = differences(official, json.loads((folder / official.file).read_text()))
        sys.stdout.write("\n  ".join([f"{official.file}: {len(found)} differences", *found]) + "\n")
        status |= bool(found)
    return status


if __name__ == "__main__":
    sys.exit(main())
