"""What can be done about an incident from its page: settings to look at, and what the pipeline can be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orders_api.console.kit.texts import _
from orders_api.console.views.incidents import Step
from warehouse.ledger.people.request_subjects import subjects
from warehouse.ledger.people.users import Role
from warehouse.ledger.settings.channels import asked_connection
from warehouse.operator_requests import RequestKind, SubjectKind

if TYPE_CHECKING:
    from orders_api.console.kit.visits import Visit
    from warehouse.ledger.watch.incident_queries import IncidentRecord


def steps_of(visit: Visit, row: IncidentRecord) -> list[Step]:
    """What the reader may do, settings first."""
    steps = []
    if row.scope == "channel":
        steps.append(Step(_("Open the channel's settings"), path=f"/channels/{row.subject}"))
    if row.scope == "connection" and visit.user.role.includes(Role.CONFIGURATOR):
        steps.append(Step(_("Open the connection's settings"), path=f"/connections/{row.subject}"))
    if row.stage == "normalise":
        steps.append(Step(_("See what was put aside"), path="/quarantine"))
    connection = _connection(visit, row)
    if connection is None or not visit.user.role.includes(Role.OPERATOR):
        return steps
    steps.append(Step(_("Test the connection"), RequestKind.TEST_CONNECTION.value, connection))
    steps.append(Step(_("Pull now"), RequestKind.PULL.value, connection))
    original_id = row.details.get("original_id")
    if isinstance(original_id, str):
        steps.append(Step(_("Read the order again"), RequestKind.FETCH.value, connection, original_id))
        steps.append(Step(_("Normalise what is kept again"), RequestKind.REPLAY.value, connection, original_id))
    return steps


def _connection(visit: Visit, row: IncidentRecord) -> str | None:
    """The connection that the reader may ask about."""
    if row.scope == "channel":
        return asked_connection(visit.transaction, row.subject, visit.visible_channels)
    mine = subjects(visit.transaction, SubjectKind.CONNECTION, visit.visible_channels)
    return row.subject if row.scope == "connection" and row.subject in mine else None
