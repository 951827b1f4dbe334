"""The variable parts of paths, as parameters of routes. An id that cannot be one of ours finds nothing, and is no fault."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator

from orders_api.kit.auth import Caller
from orders_api.kit.installation import ApiInstallation
from orders_api.schemas.vocabulary import FILE_ID, INCIDENT_ID, ORDER_ID, SHIPMENT_ID
from warehouse.ledger.exchange.numbering import Numbered

LONGEST_NUMBER = 18
NO_ID = ""
BY_NUMBER = "a token of all channels may give its number instead."


def _own_id(given: str) -> str:
    try:
        return str(uuid.UUID(given))
    except ValueError:
        return NO_ID


OrderId = Annotated[
    str, AfterValidator(_own_id), Path(alias="id", description="Internal id of the order.", examples=[ORDER_ID])
]
ShipmentId = Annotated[
    str, AfterValidator(_own_id), Path(alias="id", description="Id of the shipment.", examples=[SHIPMENT_ID])
]
RequestId = Annotated[
    str, AfterValidator(_own_id), Path(alias="id", description="Id of the request.", examples=[ORDER_ID])
]
ChannelCode = Annotated[str, Path(alias="code", description="Code of the channel.", examples=["amazon_fr"])]
FileId = Annotated[str, Path(alias="id", description=f"Id of the file; {BY_NUMBER}", examples=[FILE_ID])]
IncidentId = Annotated[str, Path(alias="id", description=f"Id of the incident; {BY_NUMBER}", examples=[INCIDENT_ID])]


def number_of(given: str, installation: ApiInstallation, caller: Caller, kind: Numbered) -> int | None:
    """What an id in the path stands for; None when it is none of this kind.

    The number itself is understood of a caller who sees all channels: another could count with it.
    """
    if caller.sees_all_channels and given.isascii() and given.isdecimal() and len(given) <= LONGEST_NUMBER:
        return int(given)
    return installation.numbering.number(kind, given)
