"""The stand-in of a Mirakl operator's instance.

API key ``sandbox-key`` (shop 2001); ``sandbox-key-2`` (shop 2002, another fulfilment set-up); ``sandbox-key-all`` (a user of
both shops: choose with ``shop_id``).
"""
