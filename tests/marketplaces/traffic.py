"""What goes between a client and a stand-in, recorded and compared with schemas of our own; and words to write these in."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from jsonschema_rs import Draft202012Validator

from orders_pipeline.sandbox.engine import Call, Sandbox, SandboxOutcome

Schema = dict[str, Any]
Traffic = list[tuple[Call, SandboxOutcome]]

TEXT: Schema = {"type": "string", "minLength": 1}
FLAG: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "number"}
UNITS: Schema = {"type": "integer", "minimum": 1}


def shape(required: Schema, optional: Schema | None = None) -> Schema:
    """An object of these members and no others."""
    members = {**required, **(optional or {})}
    return {"type": "object", "properties": members, "required": list(required), "additionalProperties": False}


def several(of: Schema, least: int = 0) -> Schema:
    """A list."""
    return {"type": "array", "items": of, "minItems": least}


def word(*allowed: str) -> Schema:
    """One of these words."""
    return {"enum": list(allowed)}


def recorded(sandbox: Sandbox) -> Traffic:
    """Everything that the stand-in is asked from now on, with what it answers."""
    seen: Traffic = []
    take = sandbox.take

    def taken(call: Call) -> SandboxOutcome:
        outcome = take(call)
        seen.append((call, outcome))
        return outcome

    sandbox.take = taken  # type: ignore[method-assign]
    return seen


def check(
    traffic: Traffic,
    queries: Mapping[str, Collection[str]],
    requests: Mapping[str, Schema],
    answers: Mapping[str, Schema],
    errors: Schema,
) -> None:
    """Each by the name of its operation: the query parameters that it may have, its body, its answer; all share the errors."""
    validators = {name: Draft202012Validator(schema) for name, schema in answers.items()}
    asked = {name: Draft202012Validator(schema) for name, schema in requests.items()}
    refused = Draft202012Validator(errors)
    for call, outcome in traffic:
        name = call.operation.name
        assert {key for key, _ in call.query} <= set(queries.get(name, ())), name
        if name in asked:
            asked[name].validate(call.json_body())
        if outcome.status >= 400:
            refused.validate(json.loads(outcome.content))
        elif outcome.content:
            validators[name].validate(json.loads(outcome.content))
        else:
            assert name not in validators, name
