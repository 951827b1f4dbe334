"""The shapes of a marketplace's notices that a buyer's account was deleted."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from orders_api.kit.queries import NoQuery
from orders_api.schemas.vocabulary import Shape


class ChallengeQuery(NoQuery):
    """What a marketplace asks before it sends notices."""

    challenge_code: str = Field(
        min_length=1, max_length=256, description="What the answer is made of.", examples=["a8628072-3d33-45ee"]
    )


class ChallengeAnswer(Shape):
    """The proof that the address is this installation's."""

    challengeResponse: str = Field(  # noqa: N815 - the marketplace's word
        description="SHA-256, in hexadecimal, of the code, the verification token and the address, one after the other.",
        examples=["ca527df75caa230092d7e90484071e8f05d63068f1317973d6a3a42593734bbb"],
    )


class DeletionNoticeBody(BaseModel):
    """A notice, in the marketplace's shape: more members than these are no fault."""

    model_config = ConfigDict(extra="allow")

    metadata: dict[str, Any] = Field(description="Its topic.", examples=[{"topic": "MARKETPLACE_ACCOUNT_DELETION"}])
    notification: dict[str, Any] = Field(description="Whose account.", examples=[{"data": {"username": "lamp_lover"}}])
