"""The domain: what kinds of incidents there are, and what usually lies behind one. A word list, no storage.

Opening and resolving incidents is in `warehouse.ledger.watch.incidents`; who is told is in `orders_pipeline.alerts.plan`.
"""

from __future__ import annotations

from enum import StrEnum


class IncidentKind(StrEnum):
    """Whose business an incident is; recipients of alerts choose by it."""

    RETRIEVAL = "retrieval"
    EXCHANGE = "exchange"
    TRANSMISSION = "transmission"
    CANCELLATION = "cancellation"
    CONNECTIVITY = "connectivity"
    NORMALISATION = "normalisation"
    STALENESS = "staleness"
    SILENCE = "silence"
    CREDENTIAL_EXPIRY = "credential_expiry"
    DISK = "disk"
    STUCK_CONFIRMATION = "stuck_confirmation"
    ALERTING = "alerting"
    SYSTEM = "system"


ANY_STAGE = "*"

NO_ANSWER = (
    "timeout",
    "unreachable",
    "marketplace_unavailable",
    "ledger_unavailable",
)

KINDS: tuple[tuple[IncidentKind, tuple[str, ...], tuple[str, ...]], ...] = (
    (IncidentKind.ALERTING, ("alerts",), ()),
    (IncidentKind.CONNECTIVITY, (ANY_STAGE,), NO_ANSWER),
    (IncidentKind.STALENESS, ("watch",), ("stale",)),
    (IncidentKind.SILENCE, ("watch",), ("silent",)),
    (IncidentKind.CREDENTIAL_EXPIRY, ("watch",), ("credential_expires", "credential_expired")),
    (IncidentKind.DISK, ("watch",), ("disk_low",)),
    (
        IncidentKind.STUCK_CONFIRMATION,
        ("watch", "confirm"),
        ("unsent_too_long", "confirmation_unverified", "shipments_held"),
    ),
    (IncidentKind.EXCHANGE, ("watch",), ("consumer_stopped",)),
    (IncidentKind.RETRIEVAL, ("pull", "sweep", "clock", "hints"), ()),
    (IncidentKind.NORMALISATION, ("normalise",), ()),
    (IncidentKind.TRANSMISSION, ("confirm", "accept"), ()),
    (IncidentKind.CANCELLATION, ("cancel", "ship"), ()),
    (IncidentKind.EXCHANGE, ("export", "import", "import_rows", "acknowledge", "api", "products"), ()),
    (IncidentKind.SYSTEM, ("publish", "purge", "ping", "check"), ()),
)
"""Kind, the stages and the codes that make it; the first that fits counts, no codes mean all. A test sees that no stage is
left out; what an older release wrote under another stage is `system`."""


class Severity(StrEnum):
    """How much waits for it; each has a budget of messages of its own.

    OUTAGE: orders or shipments do not move. NOTICE: one order, file or row needs somebody.
    """

    OUTAGE = "outage"
    NOTICE = "notice"


_NOTICES = frozenset(
    {IncidentKind.EXCHANGE, IncidentKind.CANCELLATION, IncidentKind.NORMALISATION, IncidentKind.SILENCE}
)


def severity_of(kind: str) -> Severity:
    """The severity of a kind.

    >>> severity_of("connectivity").value, severity_of("exchange").value
    ('outage', 'notice')
    """
    return Severity.NOTICE if kind in _NOTICES else Severity.OUTAGE


CAUSES = {
    "throttled": "More calls were made than the marketplace grants, by this software or by another one with the same account.",
    "quota_used_up": "More was to be read than the marketplace's rate allows.",
    "timeout": "The other side took the connection and did not answer in time.",
    "unreachable": "No connection could be made: name, network, firewall, or the other side is down.",
    "marketplace_unavailable": "The marketplace has a failure of its own.",
    "unreadable_answer": "Something in between answered, such as a gateway or a sign-in page, or the marketplace changed.",
    "truncated": "The marketplace sent less than it counts, or more than the page limit lets through.",
    "repeated_page": "The marketplace sent the same page twice.",
    "unauthorised": "The credential was revoked or has expired, or a role was taken from it.",
    "invalid_grant": "The seller has withdrawn the authorisation, or it has expired.",
    "invalid_client": "The application's secret was changed.",
    "credential_missing": "The variable or the file that holds the secret is not there for this process.",
    "missed_by_listing": "The marketplace changed an order without listing it as changed.",
    "ledger_unavailable": "The database did not answer, the disk is full, or somebody else wrote for too long.",
    "selector_invalid": "The selector or the region was changed, or set by an older release that did not check it.",
    "shipments_held": "The channel's confirmation is off, or requests to cancel wait for a decision.",
    "clock_skew": "No time server sets this machine's clock, or a virtual machine was paused.",
    "unknown_channel": "A new sales channel exists at the marketplace that is not configured here.",
    "internal_error": "A defect of this software.",
    "retired_order_unreadable": "A retired order has changed, and the order tables, where it stands, could not be read.",
    "stale": "Pulls fail, or nothing runs them.",
    "silent": "The marketplace may have suspended listings, or no longer tells of orders.",
    "credential_expires": "The marketplace limits how long a credential is good.",
    "credential_expired": "The marketplace limits how long a credential is good.",
    "order_refused": "The ERP misses an article, a customer or a setting, or refuses a value of the order.",
    "consumer_stopped": "The ERP's job does not run, its token has expired, or it cannot reach the API.",
    "lake_unreachable": "The storage or the catalog of the order tables is away, full, or was moved.",
    "data_check_failed": "A defect of this software, or somebody changed the database behind its back.",
    "disk_low": "The data has grown, or something else fills the disk.",
    "cancellation_not_offered": "The marketplace's API has no call for it.",
    "cancellation_refused": "The order was shipped or cancelled meanwhile, or the operator does not allow it.",
    "shipped_despite_cancellation": "The package was reported before the cancellation was known here, or at the ERP.",
    "cancellation_in_doubt": "The connection broke after the request was sent.",
    "mail_server_unreachable": "No connection could be made to the mail server: name, port, network, firewall.",
    "mail_server_refused": "The mail server refused the log-in or the sender.",
    "mail_tls_failed": "The mail server's certificate could not be verified, or it offers no encryption.",
    "recipient_refused": "The mail server does not know the recipient, or defers mail to it.",
    "target_refused": "The chat or webhook service did not take the message.",
}
"""Code → what usually lies behind it, in a plain sentence."""


def kind_of(stage: str, code: str) -> IncidentKind:
    """The kind of an incident.

    >>> kind_of("pull", "throttled").value, kind_of("pull", "timeout").value, kind_of("publish", "x").value
    ('retrieval', 'connectivity', 'system')
    """
    for kind, stages, codes in KINDS:
        if (stage in stages or stages == (ANY_STAGE,)) and (not codes or code in codes):
            return kind
    return IncidentKind.SYSTEM
