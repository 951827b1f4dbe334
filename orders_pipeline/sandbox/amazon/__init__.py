"""The stand-in of Amazon: the SP-API's Orders 2026-01-01, confirmShipment of Orders v0, and Login with Amazon.

Client id ``amzn1.application-oa2-client.sandbox``, client secret ``sandbox-secret``, refresh token ``Atzr|sandbox``
(Europe); further accounts: ``Atzr|sandbox-na`` (North America), ``Atzr|sandbox-fe`` (Far East), ``Atzr|sandbox-no-pii``
(Europe, without the role for personal data).
"""
