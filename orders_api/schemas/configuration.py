"""The shapes of the configuration and its changes."""

from __future__ import annotations

from typing import Any

from pydantic import Field, SecretStr

from orders_api.schemas.vocabulary import Body, Shape

Entries = dict[str, dict[str, Any]]


class Configuration(Shape):
    """The configuration as `orders.yaml` has it: sections, codes, members. docs/configuration.md tells each member."""

    connections: Entries = Field(
        description="Seller accounts. Of a sealed credential only that it is sealed.",
        examples=[{"amazon_eu": {"label": "Our shop", "credentials": {"refresh_token": "sealed"}}}],
    )
    channels: Entries = Field(
        description="Channels with their switches, carriers and file jobs.",
        examples=[{"amazon_fr": {"connection": "amazon_eu", "retrieval": True, "confirmation": True}}],
    )
    storages: Entries = Field(
        description="Where files are exchanged.",
        examples=[{"erp": {"kind": "sftp", "settings": {"host": "sftp.example", "user": "orders"}}}],
    )
    alerts: Entries = Field(
        description="Who is told of problems.", examples=[{"crew": {"email": "crew@shop.example", "summary": True}}]
    )


class ConfigurationChange(Body):
    """A part of the configuration. It changes what it names; all else stays as it is, at any depth."""

    connections: Entries = Field({}, description="As in the whole.", examples=[{"amazon_eu": {"label": "Our shop"}}])
    channels: Entries = Field(
        {}, description="As in the whole.", examples=[{"amazon_fr": {"export": {"frequency": "hourly"}}}]
    )
    storages: Entries = Field({}, description="As in the whole.", examples=[{"erp": {"label": "The ERP's server"}}])
    alerts: Entries = Field({}, description="As in the whole.", examples=[{"crew": {"summary": False}}])


class ChangedField(Shape):
    """A member that differs."""

    field: str = Field(description="The member's name.", examples=["retrieval"])
    before: Any = Field(description="What it was; null of what is new.", examples=[True])
    after: Any = Field(description="What it is now.", examples=[False])


class ConfigurationDifference(Shape):
    """One thing that was created or changed."""

    noun: str = Field(
        description="connection, channel, storage, alert, carrier, export job or import job.", examples=["channel"]
    )
    code: str = Field(description="Its code.", examples=["amazon_fr"])
    action: str = Field(description="`create` or `change`.", examples=["change"])
    fields: list[ChangedField] = Field(description="What differs.", examples=[[]])


class ConfigurationChanges(Shape):
    """What a change of the configuration came to."""

    dry_run: bool = Field(description="Whether nothing was written.", examples=[False])
    changes: list[ConfigurationDifference] = Field(description="Empty when all was so already.", examples=[[]])


class TypedSecret(Body):
    """A secret. It is kept encrypted, and nothing shows it again."""

    secret: SecretStr = Field(description="The secret itself.", min_length=1, max_length=20_000, examples=["…"])
