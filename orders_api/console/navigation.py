"""The navigation: which pages there are, in the order of the frame. A badge is one of `Headlines`' counts."""

from __future__ import annotations

from orders_api.console.kit.texts import Later
from orders_api.console.views.frame import Entry
from warehouse.ledger.people.users import Role

GROUPS: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    (
        Later("Orders"),
        (
            Entry(Later("Orders"), "/orders"),
            Entry(Later("Shipments"), "/shipments"),
            Entry(Later("Cancellations"), "/cancellations"),
            Entry(Later("Acceptances"), "/acceptances", "waiting_acceptances"),
        ),
    ),
    (
        Later("Health"),
        (
            Entry(Later("Overview"), "/"),
            Entry(Later("Incidents"), "/incidents", "open_incidents"),
            Entry(Later("Coverage"), "/coverage"),
            Entry(Later("Files"), "/files"),
            Entry(Later("Logs"), "/logs"),
        ),
    ),
    (
        Later("Settings"),
        (
            Entry(Later("Channels"), "/channels"),
            Entry(Later("Connections"), "/connections", needs=Role.CONFIGURATOR),
            Entry(Later("Storages"), "/storages", needs=Role.CONFIGURATOR),
            Entry(Later("Tokens"), "/tokens", needs=Role.CONFIGURATOR),
            Entry(Later("Alerts"), "/alerts", needs=Role.CONFIGURATOR),
            Entry(Later("Users"), "/users", needs=Role.ADMIN),
            Entry(Later("Audit"), "/audit", needs=Role.ADMIN),
        ),
    ),
)
"""Group → its pages."""

KEYS = {
    "/": Later("Search"),
    "g": Later("Go to …"),
    "j": Later("Next row"),
    "k": Later("Row before"),
    "x": Later("Tick the row"),
    "o": Later("Open the row in a new tab"),
    "?": Later("These keys"),
    "Enter": Later("Open the row"),
    "g o": Later("Orders"),
    "g i": Later("Incidents"),
    "g c": Later("Cancellations"),
    "g f": Later("Files"),
    "g s": Later("Shipments"),
}
"""What keys do, where their reader has not switched them off; `console.js` does it."""
FIRST = "/"
"""Where somebody who has logged in begins."""
