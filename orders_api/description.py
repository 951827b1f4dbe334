"""The API's description of itself (OpenAPI): FastAPI's, which follows from the routes, and what generators of clients need
besides.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from orders_api.schemas.problems import ProblemDocument

NULL = {"type": "null"}


class DescribedApi(FastAPI):
    """FastAPI with our touches on its description."""

    def openapi(self) -> dict[str, Any]:
        """The description; made once."""
        if self.openapi_schema is None:
            described = super().openapi()
            schemas = described["components"]["schemas"]
            problem = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= problem.pop("$defs") | {ProblemDocument.__name__: problem}  # no route has it as its answer
            _drop_defaults(schemas)
            for item in described["paths"].values():
                for operation in item.values():
                    _split_scopes(operation)
                    for each in operation.get("parameters", ()):
                        _simplify(each)
        return self.openapi_schema or {}


def _split_scopes(operation: dict[str, Any]) -> None:
    """Any scope of a route admits: each is a way in of its own."""
    ways = operation.get("security", [])
    operation["security"] = [{name: [scope]} for each in ways for name, scopes in each.items() for scope in scopes]


def _simplify(parameter: dict[str, Any]) -> None:
    """An example where every tool finds it, and no null, which a query or path cannot say."""
    schema = parameter["schema"]
    parameter["example"] = schema.pop("examples")[0]
    for each in ("title", "description"):
        schema.pop(each, None)
    choices = [each for each in schema.pop("anyOf", ()) if each != NULL]
    schema.update(choices[0] if len(choices) == 1 else {"anyOf": choices} if choices else {})


def _drop_defaults(schema: Any) -> None:  # noqa: ANN401 - any JSON schema
    """What may be left out is optional and nothing else: for a default, generators demand or promise the member."""
    if isinstance(schema, list):
        for each in schema:
            _drop_defaults(each)
    elif isinstance(schema, dict):
        for each in schema.get("properties", {}).values():
            each.pop("default", None)
        for each in schema.values():
            _drop_defaults(each)
