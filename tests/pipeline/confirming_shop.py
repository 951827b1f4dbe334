"""An installation with orders of both marketplaces and an ERP that ships them, for tests of what is sent."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from orders_pipeline.stages import normalise
from orders_pipeline.stages import pull as pulling
from warehouse.ledger.base import schema
from warehouse.ledger.shipping import shipments
from warehouse.shipment_reports import ReportResult, Sender, ShipmentReport, Source

ERP = Sender(consumer="erp", source=Source.API, report_id="r-1")


class Shop:
    """An installation with orders of both marketplaces, all channels confirming, and an ERP that ships."""

    def __init__(self, installation, marketplaces, clock) -> None:
        self.installation = installation
        self.marketplaces = marketplaces
        self.clock = clock

    def confirming(self, *, is_on: bool = True) -> None:
        with self.installation.ledger.write() as connection:
            connection.execute(sa.update(schema.channels).values(confirmation=is_on))

    def pull(self) -> None:
        results = pulling.pull_all(self.installation)
        assert [each.error for each in results] == [None] * len(results)
        normalise.normalise_pending(self.installation)

    def waiting(self, channel: str) -> list[dict]:
        """Orders that can be shipped, with several units first."""
        book, lines = schema.orders, schema.order_lines
        units = sa.select(sa.func.sum(lines.c.quantity_ordered)).where(lines.c.order_id == book.c.id).scalar_subquery()
        query = (
            sa.select(book.c.id, book.c.original_id, book.c.facts)
            .where(
                book.c.channel == channel,
                book.c.status == "WAITING_FOR_SHIPMENT",
                book.c.fulfilled_by == "merchant",
            )
            .order_by(units.desc(), book.c.id)
        )
        with self.installation.ledger.read() as connection:
            found = [dict(row) for row in connection.execute(query).mappings()]
        return [each for each in found if "FBM_SHIP_PLUS" not in each.pop("facts")]

    def ship(self, *given: ShipmentReport) -> list[str]:
        with self.installation.ledger.write() as connection:
            answers = shipments.report(connection, ERP, given, self.clock())
        assert {each.result for each in answers} <= {ReportResult.ACCEPTED, ReportResult.UPDATED}, answers
        return [each.shipment_id for each in answers]

    def ship_some(self, channel: str, count: int) -> list[str]:
        chosen = self.waiting(channel)[:count]
        assert len(chosen) == count
        return self.ship(*(whole(each["id"], number) for number, each in enumerate(chosen)))

    def row(self, shipment_id: str) -> dict:
        with self.installation.ledger.read() as connection:
            query = sa.select(schema.shipments).where(schema.shipments.c.id == shipment_id)
            return dict(connection.execute(query).mappings().one())

    def states(self, ids: list[str]) -> list[str]:
        return [self.row(each)["status"] for each in ids]

    def attempts(self, shipment_id: str) -> list[tuple[str, str | None]]:
        table = schema.confirmation_attempts
        query = sa.select(table.c.outcome, table.c.code).where(table.c.shipment_id == shipment_id).order_by(table.c.id)
        with self.installation.ledger.read() as connection:
            return [tuple(row) for row in connection.execute(query)]

    def order(self, shipment_id: str) -> dict:
        with self.installation.ledger.read() as connection:
            query = sa.select(schema.orders).where(schema.orders.c.id == self.row(shipment_id)["order_id"])
            return dict(connection.execute(query).mappings().one())

    def problems(self) -> list[tuple[str, str]]:
        table = schema.incidents
        with self.installation.ledger.read() as connection:
            query = sa.select(table.c.subject, table.c.code).where(table.c.resolved_at.is_(None))
            return sorted(tuple(row) for row in connection.execute(query))

    def sandbox(self, channel: str):
        return self.marketplaces.mirakl if channel == "mirakl" else self.marketplaces.amazon

    def applied(self, channel: str) -> list[dict]:
        """What the marketplace has applied, call by call."""
        return [dict(entry.effect) for entry in self.sandbox(channel).journal.effects()]


def whole(order_id: str, number: int = 0, **changes) -> ShipmentReport:
    base = ShipmentReport(id=order_id, package_id="1", tracking_number=f"TRK-{number}", carrier_code="DHL")
    return replace(base, **changes)
