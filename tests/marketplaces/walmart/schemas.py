"""What Walmart's descriptions say of calls and answers, as JSON Schemas of our own (Orders API v3, token API)."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT = {"type": "string", "minLength": 1}
MILLISECONDS = {"type": "integer", "minimum": 10**12, "maximum": 10**13}


def record(required: dict[str, Schema], /, **optional: Schema) -> Schema:
    """An object with these members and no others; one that may be left out may be null too."""
    nullable = {name: {"anyOf": [schema, {"type": "null"}]} for name, schema in optional.items()}
    return {
        "type": "object",
        "required": sorted(required),
        "properties": required | nullable,
        "additionalProperties": False,
    }


def listed(item: Schema) -> Schema:
    """A list that is not empty."""
    return {"type": "array", "items": item, "minItems": 1}


MONEY = record({"currency": {"enum": ["USD"]}, "amount": {"type": "number"}})
CHARGE = record(
    {"chargeType": TEXT, "chargeName": TEXT, "chargeAmount": MONEY}, tax=record({"taxName": TEXT, "taxAmount": MONEY})
)
UNITS = record(
    {"unitOfMeasurement": {"enum": ["EACH", "EA"]}, "amount": {"type": "string", "pattern": "^[1-9][0-9]*$"}}
)
STATES = ["Created", "Acknowledged", "Shipped", "Delivered", "Cancelled", "Refund"]
CARRIER = {
    "oneOf": [
        record({"carrier": TEXT}),
        record({"otherCarrier": TEXT}),
    ]
}
METHOD = {"enum": ["Standard", "Express", "OneDay", "Freight", "WhiteGlove", "Value"]}
TRACKING = record(
    {"shipDateTime": MILLISECONDS, "carrierName": CARRIER, "methodCode": METHOD, "trackingNumber": TEXT},
    trackingURL=TEXT,
)
STATUS = record({"status": {"enum": STATES}, "statusQuantity": UNITS}, cancellationReason=TEXT, trackingInfo=TRACKING)
LINE = record(
    {
        "lineNumber": TEXT,
        "item": record({"productName": TEXT, "sku": TEXT}, condition=TEXT),
        "charges": record({"charge": listed(CHARGE)}),
        "orderLineQuantity": UNITS,
        "statusDate": MILLISECONDS,
        "orderLineStatuses": record({"orderLineStatus": listed(STATUS)}),
    },
    refund={"type": "object"},
    fulfillment=record({"fulfillmentOption": TEXT}, shipMethod=TEXT),
    intentToCancel=TEXT,
    sellerOrderId={"type": "string", "maxLength": 30},
)
ADDRESS = record(
    dict.fromkeys(("name", "address1", "city", "state", "postalCode", "country"), TEXT), address2=TEXT, addressType=TEXT
)
ORDER = record(
    {
        "purchaseOrderId": TEXT,
        "customerOrderId": TEXT,
        "customerEmailId": TEXT,
        "orderDate": MILLISECONDS,
        "shippingInfo": record(
            {
                "phone": TEXT,
                "estimatedDeliveryDate": MILLISECONDS,
                "estimatedShipDate": MILLISECONDS,
                "methodCode": METHOD,
                "postalAddress": ADDRESS,
            }
        ),
        "orderLines": record({"orderLine": listed(LINE)}),
    },
    orderType={"enum": ["REGULAR", "REPLACEMENT"]},
    originalCustomerOrderID=TEXT,
    paymentTypes=listed(TEXT),
    orderSummary=record({"totalAmount": record({"currencyAmount": {"type": "number"}, "currencyUnit": TEXT})}),
    shipNode=record({"type": {"enum": ["SellerFulfilled", "WFSFulfilled", "3PLFulfilled"]}}, name=TEXT, id=TEXT),
)
ONE = record({"order": ORDER})
LIST = record(
    {
        "list": record(
            {
                "meta": record(
                    {"totalCount": {"type": "integer", "minimum": 1}, "limit": {"type": "integer"}},
                    nextCursor={"type": "string", "pattern": "^\\?limit="},
                ),
                "elements": record({"order": listed(ORDER)}),
            }
        )
    }
)
TOKEN = record(
    {"access_token": TEXT, "token_type": {"const": "Bearer"}, "expires_in": {"type": "integer", "minimum": 1}}
)
ANSWERS = {"token": TOKEN, "orders": LIST, "order": ONE, "acknowledge": ONE, "shipping": ONE, "cancel": ONE}

FAULT = record({"code": TEXT, "description": TEXT, "severity": TEXT, "category": TEXT})
ERRORS = {
    "anyOf": [
        record({"errors": {"anyOf": [listed(FAULT), record({"error": {"anyOf": [listed(FAULT), FAULT]}})]}}),
        record({"error": listed(FAULT)}),
    ]
}

SHIPPED_STATUS = record(
    {"status": {"const": "Shipped"}, "statusQuantity": UNITS, "trackingInfo": TRACKING},
    currentTrackingInfo=record({"trackingNumber": TEXT}),
)
SHIPPED_LINE = record(
    {
        "lineNumber": TEXT,
        "sellerOrderId": {"type": "string", "minLength": 1, "maxLength": 30},
        "intentToCancelOverride": {"type": "boolean"},
        "orderLineStatuses": record({"orderLineStatus": listed(SHIPPED_STATUS)}),
    }
)
CANCELLED_LINE = record(
    {
        "lineNumber": TEXT,
        "orderLineStatuses": record(
            {
                "orderLineStatus": listed(
                    record(
                        {
                            "status": {"const": "Cancelled"},
                            "statusQuantity": UNITS,
                            "cancellationReason": {
                                "enum": [
                                    "CUSTOMER_REQUESTED_SELLER_TO_CANCEL",
                                    "SELLER_CANCEL_PRICING_ERROR",
                                    "SELLER_CANCEL_OUT_OF_STOCK",
                                    "SELLER_CANCEL_FRAUD_STOP_SHIPMENT",
                                    "SELLER_CANCEL_ADDRESS_NOT_SERVICEABLE",
                                ]
                            },
                        }
                    )
                )
            }
        ),
    }
)
REQUESTS = {
    "shipping": record(
        {
            "orderShipment": record(
                {"orderLines": record({"orderLine": listed(SHIPPED_LINE)})}, processMode={"const": "PARTIAL_UPDATE"}
            )
        }
    ),
    "cancel": record({"orderCancellation": record({"orderLines": record({"orderLine": listed(CANCELLED_LINE)})})}),
}
QUERIES = {
    "orders": {
        *(
            "createdStartDate",
            "lastModifiedStartDate",
            "lastModifiedEndDate",
            "shipNodeType",
            "replacementInfo",
            "limit",
        ),
        *("hasMoreElements", "soIndex", "poIndex", "partnerId"),
    },
    "order": {"replacementInfo"},
}
