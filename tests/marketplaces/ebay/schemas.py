"""What goes to eBay and comes back, as JSON Schemas of our own, written after the official descriptions (Fulfillment API v1,
Post-Order API v2, Notification API v1, OAuth).
"""

from __future__ import annotations

from tests.marketplaces.traffic import FLAG, TEXT, UNITS, Schema, several, shape, word

TIME: Schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$"}
AMOUNT: Schema = shape(
    {
        "value": {"type": "string", "pattern": r"^-?\d+(\.\d+)?$"},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
    }
)
COUNTRY: Schema = {"type": "string", "pattern": "^[A-Z]{2}$"}
SITE: Schema = {"type": "string", "pattern": "^EBAY_[A-Z_]+$"}
LEFT = word("NOT_STARTED", "IN_PROGRESS", "FULFILLED")

ADDRESS = shape(
    {"city": TEXT, "countryCode": COUNTRY},
    {name: {"type": "string"} for name in ("addressLine1", "addressLine2", "stateOrProvince", "postalCode", "county")},
)
CONTACT = shape(
    {"fullName": TEXT, "contactAddress": ADDRESS},
    {"primaryPhone": shape({"phoneNumber": TEXT}), "email": TEXT, "companyName": TEXT},
)
TAX = shape({"amount": AMOUNT}, {"taxType": TEXT})
COLLECTED = shape({"amount": AMOUNT, "taxType": TEXT, "collectionMethod": word("NET", "INVOICE")})
LINE = shape(
    {
        "lineItemId": TEXT,
        "legacyItemId": TEXT,
        "title": TEXT,
        "lineItemCost": AMOUNT,
        "quantity": UNITS,
        "soldFormat": word("AUCTION", "FIXED_PRICE", "OTHER", "SECOND_CHANCE_OFFER"),
        "listingMarketplaceId": SITE,
        "purchaseMarketplaceId": SITE,
        "lineItemFulfillmentStatus": LEFT,
        "total": AMOUNT,
        "deliveryCost": shape({}, dict.fromkeys(("shippingCost", "handlingCost", "discountAmount"), AMOUNT)),
        "lineItemFulfillmentInstructions": shape({"shipByDate": TIME}, {"guaranteedDelivery": FLAG}),
    },
    {
        "sku": TEXT,
        "legacyVariationId": TEXT,
        "discountedLineItemCost": AMOUNT,
        "appliedPromotions": several(shape({}, {"promotionId": TEXT, "discountAmount": AMOUNT, "description": TEXT})),
        "taxes": several(TAX),
        "ebayCollectAndRemitTaxes": several(COLLECTED),
        "refunds": several(shape({"amount": AMOUNT}, {"refundDate": TIME, "refundId": TEXT})),
        "properties": shape({}, dict.fromkeys(("buyerProtection", "fromBestOffer", "soldViaAdCampaign"), FLAG)),
        "itemLocation": shape({"countryCode": COUNTRY}, {"location": TEXT, "postalCode": TEXT}),
    },
)
REQUEST = shape(
    {
        "cancelRequestId": TEXT,
        "cancelRequestState": word("REQUESTED", "COMPLETED", "REJECTED"),
        "cancelInitiator": word("Buyer", "Seller"),
        "cancelReason": TEXT,
        "cancelRequestedDate": TIME,
    },
    {"cancelCompletedDate": TIME},
)
START = shape(
    {
        "fulfillmentInstructionsType": word(
            "DIGITAL", "PREPARE_FOR_PICKUP", "SELLER_DEFINED", "SHIP_TO", "FULFILLED_BY_EBAY"
        ),
        "shippingStep": shape({"shippingServiceCode": TEXT}, {"shipTo": CONTACT, "shippingCarrierCode": TEXT}),
    },
    {
        "minEstimatedDeliveryDate": TIME,
        "maxEstimatedDeliveryDate": TIME,
        "ebaySupportedFulfillment": FLAG,
        "finalDestinationAddress": ADDRESS,
    },
)
PAYMENT = shape(
    {"paymentMethod": TEXT, "paymentStatus": word("FAILED", "PAID", "PENDING")}, {"paymentDate": TIME, "amount": AMOUNT}
)
SUMS = ("priceSubtotal", "priceDiscount", "deliveryCost", "deliveryDiscount", "tax", "fee", "adjustment")
ORDER = shape(
    {
        "orderId": {"type": "string", "pattern": r"^\d\d-\d{5}-\d{5}$"},
        "legacyOrderId": TEXT,
        "creationDate": TIME,
        "lastModifiedDate": TIME,
        "orderFulfillmentStatus": LEFT,
        "orderPaymentStatus": word("FAILED", "FULLY_REFUNDED", "PAID", "PARTIALLY_REFUNDED", "PENDING"),
        "sellerId": TEXT,
        "buyer": shape({"username": TEXT}, {"buyerRegistrationAddress": CONTACT, "taxAddress": ADDRESS}),
        "pricingSummary": shape({"total": AMOUNT}, dict.fromkeys(SUMS, AMOUNT)),
        "cancelStatus": shape(
            {
                "cancelState": word("CANCELED", "IN_PROGRESS", "NONE_REQUESTED"),
                "cancelRequests": several(REQUEST),
            },
            {"cancelledDate": TIME},
        ),
        "paymentSummary": shape({"payments": several(PAYMENT), "refunds": several({"type": "object"})}),
        "fulfillmentStartInstructions": several(START, 1),
        "lineItems": several(LINE, 1),
    },
    {
        "fulfillmentHrefs": several(TEXT),
        "salesRecordReference": TEXT,
        "buyerCheckoutNotes": TEXT,
        "program": shape(
            {},
            {
                "fulfillmentProgram": shape({"fulfilledBy": TEXT}),
                "ebayInternationalShipping": shape({"returnsManagedBy": TEXT}),
            },
        ),
    },
)
ORDERS = shape(
    {
        "href": TEXT,
        "total": {"type": "integer"},
        "limit": UNITS,
        "offset": {"type": "integer"},
        "orders": several(ORDER),
    },
    {"next": TEXT, "prev": TEXT},
)
PACKAGED = shape({"lineItemId": TEXT, "quantity": UNITS})
NUMBER = {"type": "string", "pattern": "^[0-9A-Za-z]+$"}
PACKAGE = shape(
    {"fulfillmentId": TEXT, "shippedDate": TIME, "lineItems": several(PACKAGED, 1)},
    {"shipmentTrackingNumber": NUMBER, "shippingCarrierCode": TEXT},
)
SHIPPED = {
    **shape(
        {"lineItems": several(PACKAGED, 1), "shippedDate": TIME},
        {"shippingCarrierCode": TEXT, "trackingNumber": NUMBER},
    ),
    # Both or neither.
    "dependentRequired": {"shippingCarrierCode": ["trackingNumber"], "trackingNumber": ["shippingCarrierCode"]},
}
CANCELLATION = shape({"cancelId": TEXT, "cancelState": TEXT, "cancelStatus": TEXT, "legacyOrderId": TEXT})
TOKEN = shape(
    {"access_token": TEXT, "token_type": TEXT, "expires_in": UNITS},
    {"refresh_token": TEXT, "refresh_token_expires_in": UNITS},
)

ANSWERS = {
    "token": TOKEN,
    "getOrders": ORDERS,
    "getOrder": ORDER,
    "getShippingFulfillments": shape({"fulfillments": several(PACKAGE), "total": {"type": "integer"}}),
    "searchCancellations": shape({"cancellations": several(CANCELLATION), "total": {"type": "integer"}}),
    "createCancellation": shape({"cancelId": TEXT}),
    "getPublicKey": shape({"key": TEXT, "algorithm": word("ECDSA"), "digest": word("SHA1", "SHA256")}),
}
"""By operation; one that is not here answers with nothing. A refusal is `ERRORS`."""

REQUESTS = {
    "createShippingFulfillment": SHIPPED,
    "createCancellation": shape(
        {"legacyOrderId": TEXT, "cancelReason": TEXT}, {"buyerPaid": FLAG, "buyerPaidDate": {"type": "object"}}
    ),
    "rejectCancellation": shape({}, {"shipmentDate": {"type": "object"}, "trackingNumber": NUMBER}),
}

QUERIES = {
    "getOrders": {"filter", "fieldGroups", "limit", "offset"},
    "getOrder": {"fieldGroups"},
    "searchCancellations": {"legacy_order_id", "limit"},
}
"""The query parameters that a call may have; any other operation has none."""

FAULT = shape(
    {"errorId": {"type": "integer"}, "domain": TEXT, "message": TEXT}, {"category": TEXT, "longMessage": TEXT}
)
ERRORS: Schema = {
    "anyOf": [
        shape({"errors": several(FAULT, 1)}),
        shape(
            {
                "error": several(
                    shape({"errorId": {"type": "integer"}, "domain": TEXT, "message": {"type": "object"}}), 1
                )
            }
        ),
        shape({"error": TEXT, "error_description": TEXT}),
    ]
}
