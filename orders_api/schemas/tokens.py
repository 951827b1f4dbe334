"""The shapes of tokens."""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime, Field

from orders_api.schemas.vocabulary import Body, Shape, Word
from warehouse.ledger.settings.tokens import Scope

TOKEN_ID = "3f9a1c2b7d10"  # noqa: S105 - an id, no secret


class ApiToken(Shape):
    """A token without its secret."""

    id: str = Field(description="Public part of the token.", examples=[TOKEN_ID])
    consumer: str = Field(description="Whose cursor and acknowledgements it moves.", examples=["erp"])
    scopes: list[Scope] = Field(description="What it may do.", examples=[["orders:read"]])
    channels: list[str] | None = Field(description="Channels that it may see; null: all.", examples=[["amazon_fr"]])
    created_at: datetime = Field(description="When it was made.", examples=["2026-11-02T09:30:00.000000Z"])
    expires_at: datetime | None = Field(description="When it ends; null: never.", examples=[None])
    revoked_at: datetime | None = Field(description="When it was taken back; null: it was not.", examples=[None])
    last_used_at: datetime | None = Field(
        description="Last use, to the minute; null: never.", examples=["2026-11-02T09:30:00.000000Z"]
    )


class TokenList(Shape):
    """Tokens, the revoked and expired ones among them."""

    tokens: list[ApiToken] = Field(description="By consumer and age.", examples=[[]])


class NewToken(Body):
    """A token that is asked for."""

    consumer: Word = Field(description="Name of the reader.", max_length=64, examples=["erp"])
    scopes: list[Scope] = Field(
        description="What it may do: none that the asking token lacks.", min_length=1, examples=[["orders:read"]]
    )
    channels: list[Word] | None = Field(
        None, description="Channels that it may see; left out: those of the asking token.", examples=[["amazon_fr"]]
    )
    expires_at: AwareDatetime | None = Field(
        None, description="When it ends; left out: never.", examples=["2027-01-01T00:00:00Z"]
    )


class TokenRotation(Body):
    """How a token is replaced."""

    grace_hours: float | None = Field(
        None,
        description="How long the old one still works; left out: until it is revoked.",
        ge=0,
        le=24 * 30,
        examples=[24],
    )
    expires_at: AwareDatetime | None = Field(
        None, description="When the new one ends; left out: never.", examples=["2027-01-01T00:00:00Z"]
    )


class IssuedToken(Shape):
    """A token with its secret, which is shown this once."""

    token: ApiToken = Field(description="What is known of it.", examples=[{"id": TOKEN_ID}])
    secret: str = Field(description="What a client sends as `Bearer`; it cannot be shown again.", examples=["orders_…"])
