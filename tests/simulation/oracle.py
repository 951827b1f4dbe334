"""The oracle: what is wrong, judged by the marketplaces' own state and journals, the ERPs' own notes, and what the product
shows to everybody over its API. It never looks into the product.

`at_any_time` holds at every instant; `in_peace` once everything has worked for some hours.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from orders_pipeline.sandbox.engine import HeldOrder, HeldPackage
from tests.simulation.erp import Note
from tests.simulation.world import World
from warehouse import connect

PEACE = timedelta(hours=3)
"""So long everything has worked at the least when peace is judged."""

NOT_TOLD = "none"
"""What a shipment is whose marketplace wants no word of it, such as one that the carrier's label confirms."""

UNDER_WAY = frozenset({"queued", "sending", "in_doubt"})

PASSING = frozenset(
    {
        "timeout",
        "unreachable",
        "connection_failed",
        "throttled",
        "marketplace_unavailable",
        "unreadable_answer",
        "truncated",
        "ledger_unavailable",
        "disk_low",
        "mail_server_unreachable",
        "unauthorised",
        "stale",
        "lake_unreachable",
        "archive_failed",
        "storage_failed",
        "storage_no_space",
        "storage_own_disk_failed",
        "storage_permission_denied",
        "storage_transfer_cut",
        "internal_error",
    }
)
"""Codes of incidents that are over when all works again."""

TOLD_WITHIN = timedelta(hours=1)
MAILS_AN_HOUR = 2

UNTOLD_AFTER = timedelta(hours=26)
"""A package that its marketplace does not show so long after the report must be an incident or refused."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: the rule that it breaks, and the facts."""

    rule: str
    facts: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.facts}"


@dataclass
class Oracle:
    """A judge, with what it has looked at already."""

    world: World
    position: int = 0
    book: dict[str, dict[str, Any]] = field(default_factory=dict)
    incidents: list[dict[str, Any]] = field(default_factory=list)
    _channel_of: dict[tuple[str, str], str] = field(default_factory=dict)

    def at_any_time(self) -> list[Finding]:
        """What must never be so."""
        self._follow()
        return [
            *(Finding("defect", each) for each in self.world.machine.defects),
            *self._foreign_packages(),
            *self._doubled(),
            *self._unbalanced_quantities(),
            *self._unbalanced_amounts(),
            *self._orders_twice(),
            *self._untold_troubles(),
            *self._mails(),
        ]

    def in_calm(self) -> list[Finding]:
        """What must not be so once everything has been listed again, without a sweep."""
        return [*self.at_any_time(), *self._lost_orders(but_for=self.world.moved)]

    def in_peace(self) -> list[Finding]:
        """What must not be so any more."""
        found = self.at_any_time()
        self.incidents = list(self._all("/v1/incidents?state=open&limit=200", "incidents"))
        return [
            *found,
            *self._lost_orders(),
            *self._lost_shipments(),
            *self._feed(),
            *self._files(),
            *self._acknowledgements(),
            *self._coverage(),
            *self._incidents_that_are_over(),
            *self._tables(),
        ]

    # -- reading

    def _get(self, path: str) -> dict[str, Any]:
        answer = self.world.machine.request("GET", path, self.world.tokens["oracle"])
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def _all(self, path: str, name: str) -> Iterator[dict[str, Any]]:
        following: str | None = path
        while following:
            page = self._get(following)
            yield from page[name]
            following = page["next"]

    def _follow(self) -> None:
        self.fresh: list[dict[str, Any]] = []
        while True:
            page = self._get(f"/v1/orders/changes?after={self.position}&limit=500")
            self.fresh += page["orders"]
            self.position = page["next_after"]
            if not page["has_more"]:
                break
        self.book |= {each["id"]: each for each in self.fresh}

    def _packages(self) -> Iterator[tuple[str, HeldOrder, HeldPackage]]:
        for kind, order in self.world.held():
            for package in order.packages:
                yield kind, order, package

    # -- at any time

    def _foreign_packages(self) -> Iterator[Finding]:
        now = {(kind, order.id, package.reference): package for kind, order, package in self._packages()}
        for key, was in self.world.foreign.items():
            shown = now.get(key)
            if shown is None or (shown.tracking_number, dict(shown.units)) != (was.tracking_number, dict(was.units)):
                yield Finding("foreign package changed", f"{key}: {was} became {shown}")

    def _doubled(self) -> Iterator[Finding]:
        times: Counter[tuple[str, str]] = Counter()
        label_of = {
            told.tracking: (note.original_id, note.package_id) for note in self.world.notes() for told in note.told
        }
        for _, order, package in self._packages():
            label = label_of.get(package.tracking_number or "")
            if label is not None:
                times[label] += 1
                if label[0] != order.id:
                    yield Finding("shipment at a wrong order", f"{label} is at {order.id}")
        yield from (
            Finding("shipment doubled", f"{label}: {count} times") for label, count in times.items() if count > 1
        )

    def _unbalanced_quantities(self) -> Iterator[Finding]:
        for order in self.fresh:
            for line in order["lines"]:
                ordered, shipped, cancelled, left = (
                    line[f"quantity_{name}"] for name in ("ordered", "shipped", "cancelled", "remaining_to_ship")
                )
                if None in {ordered, shipped, cancelled, left}:
                    continue
                if ordered != shipped + cancelled + left or left < 0:
                    facts = f"{ordered} ordered, {shipped} shipped, {cancelled} cancelled, {left} remaining"
                    yield Finding(
                        "quantities do not conserve", f"{order['original_id']} {line['original_id']}: {facts}"
                    )

    def _unbalanced_amounts(self) -> Iterator[Finding]:
        for order in self.fresh:
            parts = [line["line_total"] for line in order["lines"]]
            parts += [order["shipping_total"] or "0", *[each["amount"] for each in order.get("charges") or ()]]
            is_told = any("total" in each["code"] or "tax" in each["code"] for each in order.get("problems") or ())
            if order["total"] is None or None in parts or is_told:
                continue
            if sum(map(Decimal, parts)) != Decimal(order["total"]):
                yield Finding(
                    "amounts do not balance", f"{order['original_id']}: {' + '.join(parts)} is not {order['total']}"
                )

    def _untold_troubles(self) -> Iterator[Finding]:
        """What does not work for an hour, and was looked at since, is an incident."""
        now, done = self.world.clock.true(), self.world.machine.done_at
        due = [
            name
            for name, since in self.world.troubles.items()
            if now - since > TOLD_WITHIN
            and done.get(self._looked_at_by(name), since) > since + TOLD_WITHIN / 2
            and self._is_asked(name)
        ]
        if not due:
            return
        subjects = {each["subject"] for each in self._all("/v1/incidents?state=open&limit=200", "incidents")}
        for name in due:
            if name not in subjects and f"{name}_account" not in subjects:
                yield Finding("trouble is not told", f"{name} since {self.world.troubles[name]:%d %b %H:%M}")

    def _looked_at_by(self, name: str) -> str:
        if name in self.world.by_file:
            return "exchange_files"
        return "publish_tables" if name == "lake" else "pull_orders"

    def _is_asked(self, name: str) -> bool:
        return name not in self.world.sandboxes or any(
            each.retrieval for each in self.world.places.values() if each.kind == name
        )

    def _mails(self) -> Iterator[Finding]:
        """No more comes to a recipient in an hour than was promised; requests to cancel are told as they come.

        An hour is an hour of the world. For as long after our clock was wrong, it cannot know what it sent when.
        """
        jumped = self.world.jumped_at
        sent: dict[str, datetime] = {}
        for at, recipient, name in self.world.machine.postbox.mails[-200:]:
            stream = name.partition(f"{recipient.partition('@')[0]}-")[2].partition("-")[0]
            if stream not in {"cancellations", "summary"} and (jumped is None or at - jumped > TOLD_WITHIN):
                sent.setdefault(f"{recipient} {stream} {name}", at)
        moments: dict[str, list[datetime]] = defaultdict(list)
        for name, at in sent.items():
            moments[name.rpartition(" ")[0]].append(at)
        for name, times in moments.items():
            for first, last in zip(times, times[MAILS_AN_HOUR:], strict=False):
                if last - first < TOLD_WITHIN:
                    yield Finding(
                        "too many mails", f"{name}: {MAILS_AN_HOUR + 1} from {first:%d %b %H:%M} to {last:%H:%M}"
                    )

    def _orders_twice(self) -> Iterator[Finding]:
        """An order of an account is in one channel."""
        for order in self.fresh:
            kind = self.world.places[order["channel"]].kind
            first = self._channel_of.setdefault((kind, order["original_id"]), order["channel"])
            if first != order["channel"]:
                yield Finding("order twice", f"{order['original_id']} is in {first} and in {order['channel']}")

    # -- in peace

    def _lost_orders(self, but_for: Container[tuple[str, str]] = ()) -> Iterator[Finding]:
        shown: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        for each in self._all("/v1/orders?limit=500", "orders"):
            shown[(each["channel"], each["original_id"])].append(each)
        for kind, order in self.world.held():
            place = self.world.place_of(kind, order)
            if place is None or not place.retrieval or (kind, order.id) in but_for:
                continue
            documents = shown.get((place.code, order.id))
            if documents is None and order.is_hidden:
                continue  # it was closed before anybody looked, and closed orders are not listed there
            if documents is None:
                yield Finding("order lost", f"{place.code} {order.id}, updated {order.updated:%d %b %H:%M}")
                continue
            yield from self._stale(order, documents)

    def _stale(self, order: HeldOrder, documents: list[dict[str, Any]]) -> Iterator[Finding]:
        lines = {line["original_id"]: line for document in documents for line in document["lines"]}
        for held in order.lines:
            line = lines.get(held.id)
            if line is None:
                yield Finding("line lost", f"{order.id} {held.id}")
                continue
            told = (line["quantity_ordered"], line["quantity_cancelled"])
            if told != (held.ordered, held.cancelled) or line["quantity_shipped"] < held.shipped:
                yield Finding("order out of date", f"{order.id}: {held} is shown as {_quantities(line)}")

    def _lost_shipments(self) -> Iterator[Finding]:
        there = {
            package.tracking_number: package
            for _, _, package in self._packages()
            if package.tracking_number is not None
        }
        shown = {
            (each["channel"], each["original_id"], each["package_id"]): each
            for each in self._all("/v1/shipments?limit=500", "shipments")
        }
        for note in self.world.notes():
            yield from self._lost_shipment(note, there, shown)

    def _lost_shipment(
        self,
        note: Note,
        there: Mapping[str, HeldPackage],
        shown: Mapping[tuple[str, str, str], dict[str, Any]],
    ) -> Iterator[Finding]:
        about = f"{note.channel} {note.original_id} {note.package_id}"
        shipment = shown.get((note.channel, note.original_id, note.package_id))
        if shipment is None:
            yield Finding("shipment lost", f"{about} was answered, and is not shown")
            return
        package = next((there[told.tracking] for told in note.told if told.tracking in there), None)
        if package is not None:
            units = {line: count for line, count in package.units.items() if count}
            if units not in [dict(told.units) for told in note.told]:
                yield Finding("shipment told wrongly", f"{about}: {package}")
            return
        if shipment["status"] == NOT_TOLD:
            return
        since = datetime.fromisoformat(shipment["sent_at"]) if shipment["status"] == "sent" else note.at
        age = self.world.clock.true() - since
        facts = f"{about} is {shipment['status']} since {note.at:%d %b %H:%M}"
        if age >= UNTOLD_AFTER and not self._is_told(note, shipment, self.incidents):
            yield Finding("shipment waits in silence", facts)
        elif age >= PEACE and shipment["status"] in UNDER_WAY and not self._is_told(note, shipment, self.incidents):
            yield Finding("shipment is stuck", facts)

    @staticmethod
    def _is_told(note: Note, shipment: Mapping[str, Any], incidents: list[dict[str, Any]]) -> bool:
        about = {"confirm", "watch", "accept", "cancel", "normalise", "import"}
        return any(
            each["order_id"] == shipment["order_id"]
            or (
                each["scope"] == "channel"
                and each["subject"] == note.channel
                and each["stage"] in about
                and not each["order_id"]
            )
            for each in incidents
        )

    def _feed(self) -> Iterator[Finding]:
        orders = list(self._all("/v1/orders?limit=500", "orders"))
        listed = {each["id"]: each["revision"] for each in orders}
        for status, there in Counter(each["status"] for each in orders).items():
            counted = self._get(f"/v1/orders?count=true&limit=1&status={status}")["count"]
            if counted != there:
                yield Finding("orders miscounted", f"{there} are {status}, counted are {counted}")
        for erp in self.world.erps:
            seen = {key: each["revision"] for key, each in erp.seen.items()}
            if seen != listed:
                missing = [key for key in listed if seen.get(key) != listed[key]][:3]
                surplus = [key for key in seen if key not in listed][:3]
                yield Finding("feed incomplete", f"{erp.name} misses {missing}, and has {surplus} that are not listed")

    def _acknowledgements(self) -> Iterator[Finding]:
        """What an ERP was told is recorded stays so, whatever the marketplace says later."""
        listed = {each["id"]: each["acknowledgements"] for each in self._all("/v1/orders?limit=500", "orders")}
        for erp in self.world.erps:
            for key, number in erp.taken_over.items():
                numbers = [each["order_number"] for each in listed.get(key, ()) if each["consumer"] == erp.name]
                if numbers != [number]:
                    yield Finding("acknowledgement lost", f"{key}: {number} is shown as {numbers}")

    def _files(self) -> Iterator[Finding]:
        """Every order of a channel with order files was in one of them."""
        for erp in self.world.file_erps:
            for order in self.book.values():
                if order["channel"] == erp.channel and order["original_id"] not in erp.seen:
                    yield Finding("order in no file", f"{erp.channel} {order['original_id']} {order['status']}")

    def _incidents_that_are_over(self) -> Iterator[Finding]:
        """What was only for want of a marketplace, a disk or a database is no incident any more."""
        asked = {f"{each.kind}_account" for each in self.world.places.values() if each.retrieval}
        off = {each.code for each in self.world.places.values() if not each.retrieval}
        # A cancellation in doubt waits for a person, and why it went wrong at first stays to be read.
        in_doubt = {each["order_id"] for each in self.incidents if each["code"] == "cancellation_in_doubt"}
        for each in self.incidents:
            is_looked_at = each["scope"] != "connection" or each["subject"] in asked
            is_looked_at &= not (each["stage"] == "cancel" and each["order_id"] in in_doubt)
            if each["code"] in PASSING and is_looked_at and each["subject"] not in off:
                about = f"{each['subject']} {each['stage']} {each['code']}: {each['message']}"
                yield Finding("incident does not end", f"{about} (since {each['first_seen_at']})")

    def _tables(self) -> Iterator[Finding]:
        """The tables hold what the API shows, unit for unit."""
        if not self.world.has_tables:
            return
        with connect(self.world.machine.settings) as lake:
            rows = lake.sql(
                "select o.id, sum(l.quantity_ordered), sum(l.quantity_shipped), sum(l.quantity_cancelled) "
                "from orders o join order_lines l on l.order_id = o.id group by all"
            ).fetchall()
        told = {str(row[0]): tuple(map(int, row[1:])) for row in rows}
        shown = {
            key: tuple(
                sum(line[f"quantity_{name}"] for line in each["lines"]) for name in ("ordered", "shipped", "cancelled")
            )
            for key, each in self.book.items()
        }
        for key in sorted(told.keys() | shown.keys()):
            if told.get(key) != shown.get(key):
                yield Finding("tables differ", f"{key}: {told.get(key)} in the tables, {shown.get(key)} in the API")

    def _coverage(self) -> Iterator[Finding]:
        """What is said to be complete is complete, whether or not it is retrieved now."""
        shown = {(each["channel"], each["original_id"]): each for each in self.book.values()}
        covered = {each["channel"]: each for each in self._get("/v1/coverage")["coverage"]}
        for kind, order in self.world.held():
            place = self.world.place_of(kind, order)
            claim = covered.get(place.code) if place else None
            if place is None or claim is None or claim["complete_through"] is None or order.is_hidden:
                continue
            since, until = (datetime.fromisoformat(claim[name]) for name in ("complete_from", "complete_through"))
            if since <= order.updated <= until and (place.code, order.id) not in shown:
                facts = f"{place.code} is said to be complete from {since} to {until}, without {order.id} of {order.updated}"
                yield Finding("coverage claimed that is not so", facts)


def _quantities(line: Mapping[str, Any]) -> str:
    names = ("ordered", "shipped", "cancelled", "remaining_to_ship")
    return ", ".join(f"{line[f'quantity_{name}']} {name}" for name in names)
