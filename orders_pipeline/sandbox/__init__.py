"""Local stand-ins of the marketplaces: for the demo, the tests and integrators who want to try without an account.

What lives here: stateful FastAPI servers that answer like the Amazon SP-API (Orders 2026-01-01, confirmShipment of
Orders v0, Login with Amazon) and like a Mirakl operator instance, an order generator, fault injection, a movable clock
and a journal of everything that was asked and answered.

What does not live here: anything the pipeline needs in production. Nothing in ``warehouse``, ``orders_api`` or the
pipeline's assets imports this package.

Default credentials (the sandbox is a loopback toy: these are public on purpose):

=======  ======================================================================================================
Amazon   client id ``amzn1.application-oa2-client.sandbox``, client secret ``sandbox-secret``,
         refresh token ``Atzr|sandbox`` (Europe); further accounts: ``Atzr|sandbox-na`` (North America),
         ``Atzr|sandbox-fe`` (Far East), ``Atzr|sandbox-no-pii`` (Europe, without the role for personal data)
Mirakl   API key ``sandbox-key`` (shop 2001); ``sandbox-key-2`` (shop 2002, another fulfilment set-up);
         ``sandbox-key-all`` (a user of both shops: choose with ``shop_id``)
=======  ======================================================================================================
"""
