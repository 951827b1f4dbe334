"""The configuration, read and changed from afar, and secrets typed for it. What may not be changed so is said in the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Header, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from orders_api.kit.answers import fresh_answer, json_answer, matches, render, tag_of
from orders_api.kit.audit import ORIGIN, note
from orders_api.kit.auth import Caller, may
from orders_api.kit.errors import Problem, describe
from orders_api.kit.queries import NoQuery
from orders_api.kit.routes import ThisInstallation, resource
from orders_api.schemas.configuration import (
    Configuration,
    ConfigurationChange,
    ConfigurationChanges,
    TypedSecret,
)
from warehouse.ledger.people.configuration_changes import record_changes
from warehouse.ledger.settings import remote_changes
from warehouse.ledger.settings.document import ConfigurationError
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.settings.typed_secrets import SecretNotTaken, keep_connection_secret, keep_storage_secret

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.settings.configuration import Difference

router = resource("Configuration")

MayConfigure = Annotated[Caller, may(Scope.CONFIGURATION_WRITE)]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="`ETag` of the configuration as it was read; changed meanwhile, it is refused.",
        examples=['W/"4c1d90ab"'],
    ),
]
OwnerCode = Annotated[str, Path(alias="code", description="Code of its owner.", examples=["amazon_eu"])]
CredentialName = Annotated[str, Path(alias="name", description="The credential's name.", examples=["refresh_token"])]


class ChangeQuery(NoQuery):
    """Whether anything is written."""

    dry_run: bool = Field(False, description="Tell what would change, and change nothing.", examples=[True])


@router.get(
    "/v1/configuration", summary="Read the configuration", response_model=Configuration, responses=describe(403)
)
def get_configuration(request: Request, caller: MayConfigure, installation: ThisInstallation) -> Response:
    """All of it, as `orders apply --export` writes it, without secrets."""
    _check_sight(caller)
    with installation.ledger.read() as transaction:
        body = _whole(transaction)
    return json_answer(request, body, holds_pii=False)


@router.patch(
    "/v1/configuration",
    summary="Change the configuration",
    response_model=ConfigurationChanges,
    responses=describe(403, 412),
)
def change_configuration(
    request: Request,
    caller: MayConfigure,
    installation: ThisInstallation,
    query: Annotated[ChangeQuery, Query()],
    asked: ConfigurationChange,
    condition: IfMatch = None,
) -> Response:
    """As `orders apply` does with a part of a file, with the same checks. What may send secrets elsewhere is refused: addresses
    and kinds of what there is, and where a credential comes from.
    """
    _check_sight(caller)
    given = asked.model_dump(exclude_unset=True)
    with installation.ledger.write() as transaction:
        if condition is not None and not matches(condition, tag_of(_whole(transaction))):
            raise Problem(
                412, "configuration_has_changed", "The configuration is no longer as If-Match says: read it again."
            )
        try:
            if query.dry_run:
                found = remote_changes.preview(transaction, given, sees_personal_data=caller.may_read_pii)
            else:
                found = remote_changes.change(
                    transaction, given, installation.clock(), sees_personal_data=caller.may_read_pii
                )
                record_changes(
                    transaction,
                    found,
                    installation.clock(),
                    actor=caller.consumer,
                    origin=ORIGIN,
                    request_id=request.state.request_id,
                )
        except ConfigurationError as error:
            raise _invalid(error) from None
    return fresh_answer({"dry_run": query.dry_run, "changes": [_document(each) for each in found]})


@router.put(
    "/v1/connections/{code}/credentials/{name}",
    summary="Type a credential of a connection",
    status_code=204,
    response_class=Response,
    responses=describe(403, 404),
)
def type_connection_secret(
    request: Request,
    caller: MayConfigure,
    installation: ThisInstallation,
    code: OwnerCode,
    name: CredentialName,
    asked: TypedSecret,
) -> Response:
    """It is kept encrypted from now on, in place of what was there. Test it by a request `test_connection`."""
    _check_sight(caller)
    with installation.ledger.write() as transaction:
        try:
            keep_connection_secret(
                transaction, installation.keys, code, name, asked.secret.get_secret_value(), installation.clock()
            )
        except SecretNotTaken as error:
            raise _no_place(error) from None
        note(transaction, request, caller, "secret_typed", f"connection {code}", {"name": name})
    return Response(status_code=204)


@router.put(
    "/v1/storages/{code}/credentials/{name}",
    summary="Type a credential of a storage",
    status_code=204,
    response_class=Response,
    responses=describe(403, 404),
)
def type_storage_secret(
    request: Request,
    caller: MayConfigure,
    installation: ThisInstallation,
    code: OwnerCode,
    name: CredentialName,
    asked: TypedSecret,
) -> Response:
    """It is kept encrypted from now on, in place of what was there. Test it by a request `test_storage`."""
    _check_sight(caller)
    with installation.ledger.write() as transaction:
        try:
            keep_storage_secret(
                transaction, installation.keys, code, name, asked.secret.get_secret_value(), installation.clock()
            )
        except SecretNotTaken as error:
            raise _no_place(error) from None
        note(transaction, request, caller, "secret_typed", f"storage {code}", {"name": name})
    return Response(status_code=204)


def _check_sight(caller: Caller) -> None:
    if not caller.sees_all_channels:
        raise Problem(
            403, "token_of_some_channels", "The token is limited to channels, and the configuration is all's."
        )


def _whole(transaction: Transaction) -> bytes:
    return render(remote_changes.shown_configuration(transaction))


def _invalid(error: ConfigurationError) -> Problem:
    errors = []
    for each in error.problems:
        place, _, message = each.partition(": ")
        errors.append({"pointer": f"/{place.replace('.', '/')}", "message": message})
    return Problem(422, "invalid_configuration", "; ".join(error.problems), errors=errors)


def _no_place(error: SecretNotTaken) -> Problem:
    return Problem(404, "unknown_credential", error.message, errors=[{"parameter": "name", "message": error.message}])


def _document(difference: Difference) -> dict[str, Any]:
    fields = [
        {"field": name, "before": before, "after": after}
        for name, (before, after) in remote_changes.shown_fields(difference).items()
    ]
    return {"noun": difference.noun, "code": difference.code, "action": difference.action, "fields": fields}
