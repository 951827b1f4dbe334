"""The navigation: which pages there are, in the order of the frame. A badge is one of `Headlines`' counts."""

from __future__ import annotations

from orders_api.console.views.frame import Entry

GROUPS: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    ("Orders", (Entry("Orders", "/orders"),)),
    ("Health", (Entry("Incidents", "/incidents", "open_incidents"), Entry("Logs", "/logs"))),
)
"""Group → its pages."""

FIRST = "/orders"
"""Where somebody who has logged in begins."""
