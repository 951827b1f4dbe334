"""The ledger's tables, a module for each of its rooms; rooms read tables of those above them too, so they all stand here.

No queries here; how the tables came to be is in `migrations`.
"""

from warehouse.ledger.base.schema.base import *
from warehouse.ledger.base.schema.book import *
from warehouse.ledger.base.schema.bulk import *
from warehouse.ledger.base.schema.columns import *
from warehouse.ledger.base.schema.exchange import *
from warehouse.ledger.base.schema.people import *
from warehouse.ledger.base.schema.settings import *
from warehouse.ledger.base.schema.shipping import *
from warehouse.ledger.base.schema.watch import *
