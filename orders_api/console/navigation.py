"""The navigation: which pages there are, in the order of the frame. A badge is one of `Headlines`' counts."""

from __future__ import annotations

from orders_api.console.views.frame import Entry
from warehouse.ledger.people.users import Role

GROUPS: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    (
        "Orders",
        (
            Entry("Orders", "/orders"),
            Entry("Shipments", "/shipments"),
            Entry("Cancellations", "/cancellations"),
            Entry("Acceptances", "/acceptances", "waiting_acceptances"),
        ),
    ),
    (
        "Health",
        (
            Entry("Overview", "/"),
            Entry("Incidents", "/incidents", "open_incidents"),
            Entry("Coverage", "/coverage"),
            Entry("Files", "/files"),
            Entry("Logs", "/logs"),
        ),
    ),
    (
        "Settings",
        (
            Entry("Channels", "/channels"),
            Entry("Connections", "/connections", needs=Role.CONFIGURATOR),
            Entry("Storages", "/storages", needs=Role.CONFIGURATOR),
            Entry("Tokens", "/tokens", needs=Role.CONFIGURATOR),
            Entry("Alerts", "/alerts", needs=Role.CONFIGURATOR),
            Entry("Users", "/users", needs=Role.ADMIN),
            Entry("Audit", "/audit", needs=Role.ADMIN),
        ),
    ),
)
"""Group → its pages."""

FIRST = "/"
"""Where somebody who has logged in begins."""
