"""Tokens: who has one, and making, replacing and ending them. Nobody gives away more than their own token allows."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Path
from starlette.requests import Request
from starlette.responses import Response

from orders_api.kit.answers import fresh_answer, json_answer, render
from orders_api.kit.audit import note
from orders_api.kit.auth import Caller, may
from orders_api.kit.errors import Problem, describe, not_found
from orders_api.kit.records import fill
from orders_api.kit.routes import ThisInstallation, resource
from orders_api.schemas.tokens import TOKEN_ID, ApiToken, IssuedToken, NewToken, TokenList, TokenRotation
from warehouse.ledger.settings import tokens as book
from warehouse.ledger.settings.tokens import Scope, TokenError

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.settings.tokens import TokenInfo

router = resource("Tokens")

MayAdminister = Annotated[Caller, may(Scope.ADMIN)]
TokenId = Annotated[str, Path(alias="id", description="The token's id.", examples=[TOKEN_ID])]


@router.get("/v1/tokens", summary="List tokens", response_model=TokenList)
def list_tokens(request: Request, caller: MayAdminister, installation: ThisInstallation) -> Response:
    """Those that see no channel which the asking token does not see, without their secrets."""
    with installation.ledger.read() as transaction:
        found = [each for each in book.listed(transaction) if _is_within(caller, each.channels)]
    return json_answer(request, render({"tokens": [_document(each) for each in found]}), holds_pii=False)


@router.post(
    "/v1/tokens", summary="Make a token", status_code=201, response_model=IssuedToken, responses=describe(403, 409)
)
def create_token(request: Request, caller: MayAdminister, installation: ThisInstallation, asked: NewToken) -> Response:
    """Its secret is in this answer and nowhere else. A consumer has two live tokens at most."""
    chosen = caller.visible_channels if asked.channels is None else tuple(asked.channels)
    _check_gift(caller, asked.scopes, chosen)
    with installation.ledger.write() as transaction:
        try:
            made, secret = book.create(
                transaction, asked.consumer, asked.scopes, chosen, asked.expires_at, installation.clock()
            )
        except TokenError as error:
            raise _refused(error) from None
        note(transaction, request, caller, "token_made", made.id, _about(made))
    return fresh_answer({"token": _document(made), "secret": secret}, 201)


@router.post(
    "/v1/tokens/{id}/rotate",
    summary="Replace a token",
    status_code=201,
    response_model=IssuedToken,
    responses=describe(403, 404, 409),
)
def rotate_token(
    request: Request, caller: MayAdminister, installation: ThisInstallation, token_id: TokenId, asked: TokenRotation
) -> Response:
    """Another token for the same consumer with the same rights, so that its client can change over without a gap."""
    grace = None if asked.grace_hours is None else timedelta(hours=asked.grace_hours)
    with installation.ledger.write() as transaction:
        old = _found(transaction, caller, token_id)
        _check_gift(caller, old.scopes, old.channels)
        try:
            made, secret = book.rotate(transaction, token_id, asked.expires_at, grace, installation.clock())
        except TokenError as error:
            raise _refused(error) from None
        note(transaction, request, caller, "token_replaced", token_id, {**_about(made), "by": made.id})
    return fresh_answer({"token": _document(made), "secret": secret}, 201)


@router.delete(
    "/v1/tokens/{id}", summary="End a token", status_code=204, response_class=Response, responses=describe(404)
)
def revoke_token(
    request: Request, caller: MayAdminister, installation: ThisInstallation, token_id: TokenId
) -> Response:
    """At once: its next call is refused."""
    with installation.ledger.write() as transaction:
        found = _found(transaction, caller, token_id)
        book.revoke(transaction, token_id, installation.clock())
        note(transaction, request, caller, "token_ended", token_id, _about(found))
    return Response(status_code=204)


def _found(transaction: Transaction, caller: Caller, token_id: str) -> TokenInfo:
    found = book.found(transaction, token_id)
    if found is None or not _is_within(caller, found.channels):
        raise not_found("id", "There is no such token.", "unknown_token")
    return found


def _is_within(caller: Caller, channels: Collection[str] | None) -> bool:
    """Whether a token sees no channel that the caller does not see."""
    if caller.visible_channels is None:
        return True
    return channels is not None and set(channels) <= set(caller.visible_channels)


def _check_gift(caller: Caller, scopes: Collection[Scope], channels: Collection[str] | None) -> None:
    lacking = sorted(each.value for each in scopes if not caller.may(each))
    if lacking:
        detail = f"The asking token lacks {', '.join(lacking)}, and cannot give it away."
        raise Problem(403, "scope_not_yours", detail, errors=[{"pointer": "/scopes", "message": detail}])
    if not _is_within(caller, channels):
        detail = "The asking token does not see all of these channels."
        raise Problem(403, "channel_not_yours", detail, errors=[{"pointer": "/channels", "message": detail}])


def _refused(error: TokenError) -> Problem:
    if error.code == "too_many_tokens":
        return Problem(409, "too_many_tokens", str(error))
    return Problem(422, error.code, str(error))


def _document(found: TokenInfo) -> dict[str, Any]:
    return fill(ApiToken, found, scopes=sorted(found.scopes))


def _about(token: TokenInfo) -> dict[str, Any]:
    """What the audit log says of a token."""
    channels = None if token.channels is None else list(token.channels)
    return {"consumer": token.consumer, "scopes": sorted(token.scopes), "channels": channels}
