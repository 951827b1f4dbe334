"""The settings that connections and channels of every kind have, and how settings are read.

A kind adds its own by a model that derives from one of these; unknown and ill-typed keys are refused. What has to be read
where no kind is known is read by the JSON Schema of these models, which `Marketplace.describe` gives.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import AfterValidator, AnyHttpUrl, BaseModel, ConfigDict, Field, ValidationError

from orders_pipeline.marketplaces.errors import Permanent
from warehouse.cancellations import LONGEST_HOLD_HOURS
from warehouse.marketplace_kinds import MOMENT, SECURE_ADDRESS, meant
from warehouse.web_addresses import address_fault

if TYPE_CHECKING:
    from collections.abc import Mapping

Model = TypeVar("Model", bound=BaseModel)


def _moment(text: str) -> str:
    datetime.fromisoformat(text)
    return text


def _secure(text: str) -> str:
    fault = address_fault(text.strip())
    if fault is not None:
        raise ValueError(fault.value)
    return text.strip()


Moment = Annotated[str, AfterValidator(_moment), Field(json_schema_extra={"format": MOMENT})]
"""A date, or a date and a time, in ISO 8601."""
SecureAddress = Annotated[str, AfterValidator(_secure), Field(json_schema_extra={"format": SECURE_ADDRESS})]
"""An https address, or one of this machine: a secret may be sent there."""


class ShipFromPlace(BaseModel):
    """Where parcels leave from, for marketplaces that want an address and not a code of theirs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    city: str = Field(min_length=1, description="Its city.")
    postal_code: str = Field(min_length=1, description="Its postal code.")
    country_code: str = Field(pattern=r"^[A-Z]{2}$", description="Its country, ISO 3166 alpha-2.")


class ConnectionSettings(BaseModel):
    """What a connection of any kind may say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rate_factor: float = Field(
        1.0,
        gt=0,
        description="Multiplies the call rates that are kept for this connection. Use it when the marketplace has "
        "granted other rates.",
    )
    credentials_expire_at: Moment | None = Field(
        None, description="When its credential ends (ISO 8601): an incident tells it 30 days before."
    )
    credentials_set_at: Moment | None = Field(
        None,
        description="When its credentials were stored (ISO 8601): those that end by themselves are counted from then. "
        "`orders connections secret` notes it by itself.",
    )

    ship_from_places: dict[str, ShipFromPlace] = Field(
        default_factory=dict,
        description="Places by the code that shipments name in `ship_from`, each with `city`, `postal_code` and "
        "`country_code`.",
    )


class HttpSettings(ConnectionSettings):
    """What a connection that is called over HTTP may say besides."""

    proxy: AnyHttpUrl | None = Field(None, description="Proxy for all calls; unset: the environment's, if any.")
    connect_timeout_seconds: float = Field(5.0, gt=0, le=120, description="Longest wait for a connection.")
    read_timeout_seconds: float = Field(60.0, gt=0, le=600, description="Longest silence within an answer.")
    total_timeout_seconds: float = Field(180.0, gt=0, le=3600, description="Longest time one answer may take.")


class ChannelSettings(BaseModel):
    """What a channel of any kind may say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ship_from: str | None = Field(None, min_length=1, description="Of shipments that do not say where they leave from.")
    shipping_method: str | None = Field(
        None, min_length=1, description="Of shipments that do not say how they are sent."
    )
    return_carrier: str | None = Field(
        None, min_length=1, description="Of shipments that name no carrier of their return."
    )
    cancellation_hold_hours: float | None = Field(
        None,
        gt=0,
        le=LONGEST_HOLD_HOURS,
        description="How long an order with an open request to cancel is neither exported nor confirmed; unset: it is "
        "not held.",
    )


def read_settings(model: type[Model], settings: Mapping[str, Any]) -> Model:
    """A connection's settings as its kind has them.

    Raises:
        Permanent: A key does not exist or has a value that cannot be; the message names every one.
    """
    try:
        return model.model_validate(dict(settings))
    except ValidationError as error:
        said = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: "
            + (
                f"there is no such key{meant(str(each['loc'][-1]), model.model_fields)}"
                if each["type"] == "extra_forbidden"
                else each["msg"]
            )
            for each in error.errors(include_url=False)
        )
    raise Permanent(
        "settings_invalid", f"the connection's settings are not valid: {said}", "correct them in orders.yaml"
    )
