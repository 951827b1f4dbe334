"""What goes to OTTO and comes back, as JSON Schemas of our own, written after the official descriptions."""

from __future__ import annotations

from tests.marketplaces.traffic import FLAG, NUMBER, TEXT, Schema, several, shape, word

ORDER_TIME: Schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$"}
SHIPMENT_TIME: Schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|\+0000)$"}
COUNTRY: Schema = {"type": "string", "pattern": "^[A-Z]{3}$"}

CARRIERS = (
    *("DHL", "DHL_EXPRESS", "DHL_FREIGHT", "DHL_HOME_DELIVERY", "GLS", "HERMES", "DPD", "UPS", "BTW", "BURSPED"),
    *("CARGOLINE", "DACHSER", "DB_SCHENKER", "DSV", "EMONS", "EPH_DIREKT", "IDS", "GEIS", "GEL", "GUETTLER", "HES"),
    *("HELLMANN", "HEUEL", "KOCH", "KUEHNE_NAGEL", "LOGWIN", "MEYER_JUMBO", "RABEN_LOGISTIK", "RHENUS", "REIMER"),
    *("REITHMEIER", "SCHOCKEMOEHLE", "SCHMIDT_GEVELSBERG", "ZUFALL", "OTHER_FORWARDER"),
)
STATES = ("ANNOUNCED", "PROCESSABLE", "SENT", "RETURNED", "CANCELLED_BY_PARTNER", "CANCELLED_BY_MARKETPLACE")
CANCELLATIONS = (
    *("CANCELLED_ON_CUSTOMER_WISH", "CANCELLED_ON_PARTNER_WISH", "PAYMENT_ABORTED", "PAYMENT_FRAUD"),
    *("PARTNER_TERMINATED", "ILLEGAL_PRODUCT", "MARKETPLACE_FRAUD", "CANCELLED_ON_MARKETPLACE_WISH"),
)


MONEY = shape({"amount": NUMBER, "currency": {"type": "string", "pattern": "^[A-Z]{3}$"}})
LINKS = several(shape({}, {"rel": TEXT, "href": TEXT}))
ADDRESS = shape(
    {
        "salutation": word("MR", "MS", "COMPANY", "UNKNOWN"),
        **dict.fromkeys(("firstName", "lastName", "street", "houseNumber", "zipCode", "city"), TEXT),
        "countryCode": COUNTRY,
    },
    {"title": TEXT, "addition": {"type": ["string", "null"]}, "phoneNumber": TEXT, "email": TEXT},
)
FEE = {"name": TEXT, "positionItemIds": several(TEXT, 1), "vatRate": NUMBER}
PRODUCT = shape(
    {"sku": TEXT, "articleNumber": TEXT, "productTitle": TEXT, "vatRate": NUMBER},
    {
        "ean": TEXT,
        "shopUrl": TEXT,
        "dimensions": several(shape({}, dict.fromkeys(("type", "displayName", "value"), TEXT))),
    },
)
ITEM = shape(
    {
        "positionItemId": TEXT,
        "fulfillmentStatus": word(*STATES),
        "itemValueGrossPrice": MONEY,
        "product": PRODUCT,
    },
    {
        "itemValueReducedGrossPrice": MONEY,
        "itemValueDiscount": MONEY,
        **dict.fromkeys(
            ("expectedDeliveryDate", "processableDate", "sentDate", "returnedDate", "cancellationDate"), ORDER_TIME
        ),
        "cancellationReason": word(*CANCELLATIONS),
        "trackingInfo": shape({}, dict.fromkeys(("carrier", "carrierServiceCode", "trackingNumber"), TEXT)),
        **dict.fromkeys(("returnAcceptedByMarketplace", "weeePickup"), FLAG),
        **dict.fromkeys(("dealId", "dealName"), TEXT),
    },
)
ORDER = shape(
    {
        "salesOrderId": TEXT,
        "orderNumber": {"type": "string", "pattern": "^[0-9a-z]{10}$"},
        "orderDate": ORDER_TIME,
        "orderLifecycleInformation": shape({"lifecycleChangeDate": ORDER_TIME}),
        "positionItems": several(ITEM, 1),
    },
    {
        "lastModifiedDate": ORDER_TIME,
        "payment": shape({"paymentMethod": TEXT}),
        "deliveryAddress": ADDRESS,
        "invoiceAddress": ADDRESS,
        "initialDeliveryFees": several(shape({**FEE, "deliveryFeeAmount": MONEY})),
        "initialDiscounts": several(shape({**FEE, "discountAmount": MONEY, "discountId": TEXT, "discountName": TEXT})),
        "suspectedFraudCase": FLAG,
        "links": LINKS,
    },
)
ORDER_LIST = shape({}, {"resources": several(ORDER), "links": LINKS})

TRACKING = shape({"carrier": word(*CARRIERS), "trackingNumber": TEXT})
PLACE = shape({"city": TEXT, "zipCode": TEXT, "countryCode": COUNTRY})
RETURN_LABEL = shape({"carrier": word("DHL", "GLS", "HERMES"), "trackingNumber": TEXT})
SENT_ITEM = shape({"positionItemId": TEXT, "salesOrderId": TEXT}, {"returnTrackingKey": RETURN_LABEL})
SHIPMENT_REQUEST = shape(
    {
        "trackingKey": TRACKING,
        "shipDate": SHIPMENT_TIME,
        "shipFromAddress": PLACE,
        "positionItems": several(SENT_ITEM, 1),
    }
)
MOVES = several(
    shape(
        {
            "state": word("SENT", "ON_THE_WAY", "DELIVERED", "DELIVERED_FOR_PICKUP", "DELIVERY_ATTEMPT_FAILED"),
            "occurredOn": TEXT,
        }
    )
)
SHORT_SHIPMENT = {"shipmentId": TEXT, "creationDate": TEXT, "trackingKey": TRACKING, "states": MOVES}
SHIPMENT = shape(
    {},
    {
        **SHORT_SHIPMENT,
        "shipDate": SHIPMENT_TIME,
        "shipFromAddress": PLACE,
        "positionItems": several(SENT_ITEM),
    },
)
SHIPMENT_LIST = shape({}, {"links": LINKS, "resources": several(shape({}, SHORT_SHIPMENT))})
SHIPMENT_ANSWER = shape({}, {"shipmentId": TEXT})
ERRORS = shape(
    {"errors": several(shape({"title": TEXT, "path": TEXT}, {"detail": TEXT, "jsonPath": TEXT}), 1)},
    {"shipmentId": TEXT},
)
TOKEN = shape(
    {"access_token": TEXT, "token_type": word("Bearer"), "expires_in": {"type": "integer", "minimum": 1}},
    {"scope": {"type": "string"}},
)
NOTHING = shape({})

ANSWERS: dict[str, Schema] = {
    "token": TOKEN,
    "user_token": TOKEN,
    "orders": ORDER_LIST,
    "order": ORDER,
    "cancellation": NOTHING,
    "shipment": SHIPMENT_ANSWER,
    "shipments": SHIPMENT_LIST,
    "shipment_by_number": SHIPMENT,
}
"""By operation; a refusal is `ERRORS`."""

QUERIES: dict[str, frozenset[str]] = {
    "orders": frozenset({"fromDate", "mode", "limit", "nextcursor"}),
    "shipments": frozenset({"datefrom", "limit", "next"}),
}
"""The query parameters that a call may have; any other operation has none."""
