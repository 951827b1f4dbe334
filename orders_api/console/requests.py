"""What the pipeline is asked from pages: asking, and following a request to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from orders_api.console.kit.forms import text_of
from orders_api.console.kit.pages import Pages
from orders_api.console.kit.rendering import moment
from orders_api.console.kit.texts import Later, _, counted, retold
from orders_api.console.views.frame import Badge
from orders_api.console.views.settings import AskedPage, AskedRow, ShownFinding
from orders_api.console.words import ACTIONS
from orders_api.kit.errors import Problem, not_found
from orders_api.v1.bulk import fates_file
from warehouse.ledger.people import operator_requests
from warehouse.ledger.people.operator_requests import GONE_AFTER
from warehouse.ledger.people.request_subjects import subjects
from warehouse.ledger.people.users import Role
from warehouse.operator_requests import (
    RULES,
    ArgumentInvalid,
    RequestKind,
    RequestProgress,
    SubjectKind,
    checked_arguments,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from orders_api.console.kit.forms import Form
    from orders_api.console.kit.visits import Visit
    from warehouse.operator_requests import OperatorRequest

PATH = "/requests"
STATES = {
    RequestProgress.ASKED: Badge(Later("Waiting for the pipeline"), "waiting"),
    RequestProgress.RUNNING: Badge(Later("Running"), "waiting"),
    RequestProgress.DONE: Badge(Later("Done"), "done"),
    RequestProgress.FAILED: Badge(Later("Failed"), "failed"),
    RequestProgress.EXPIRED: Badge(Later("Not taken up in time"), "failed"),
}
KINDS = {
    RequestKind.TEST_CONNECTION: Later("Test connection"),
    RequestKind.TEST_STORAGE: Later("Test storage"),
    RequestKind.TEST_RECIPIENT: Later("Test message"),
    RequestKind.BROWSE: Later("Browse folder"),
    RequestKind.PULL: Later("Pull now"),
    RequestKind.FETCH: Later("Read orders again"),
    RequestKind.REPLAY: Later("Normalise again"),
    RequestKind.CONFIRM: Later("Confirm now"),
    RequestKind.EXPORT: Later("Export now"),
    RequestKind.IMPORT: Later("Import now"),
    RequestKind.BULK: Later("Many orders"),
}
SILENT = Later("No pipeline runs at the moment. Start it with: orders up")
SHOWN = 5

pages = Pages()


@pages.page(f"{PATH}/{{id}}", "request.html")
def show_request(visit: Visit, id: str) -> AskedPage:  # noqa: A002 - the part of the path
    """One request, and what came of it."""
    found = _visible(visit, id)
    zone = visit.installation.settings.time_zone
    seen = operator_requests.pipeline_seen_at(visit.transaction)
    is_open = found.finished_at is None
    is_silent = is_open and (seen is None or seen < visit.now - GONE_AFTER)
    back = visit.request.query_params.get("back", "")
    return AskedPage(
        id=found.id,
        what=what(found),
        state=STATES[found.state],
        asked_by=found.asked_by,
        asked=moment(found.asked_at, visit.now, zone),
        finished=moment(found.finished_at, visit.now, zone),
        is_open=is_open,
        silence=SILENT if is_silent else "",
        findings=tuple(_finding(each) for each in found.result.get("findings", ())),
        facts=tuple(_facts(found.result)),
        names=tuple(_names(found.result)),
        has_orders=found.kind is RequestKind.BULK,
        back=back if back.startswith("/") and not back.startswith("//") else "",
    )


@pages.question(f"{PATH}/{{id}}/orders", "request.html", needs=Role.OPERATOR)
def download_fates(visit: Visit, _form: Form, id: str) -> Response:  # noqa: A002 - the part of the path
    """What became of each order of a request about many, as a file."""
    return fates_file(visit.installation.ledger, _visible(visit, id))


@pages.action(PATH, needs=Role.OPERATOR)
def ask_pipeline(visit: Visit, form: Form) -> str:
    """Ask, and go to the request's page."""
    kind, subject = text_of(form, "kind"), text_of(form, "subject")
    given: dict[str, Any] = {name: text_of(form, name) for name in ("folder", "since") if text_of(form, name)}
    if form.get("original_ids"):
        given["original_ids"] = form["original_ids"]
    if kind not in set(RequestKind) or subject not in _subjects(visit, RequestKind(kind)):
        raise not_found("subject", _("There is nothing of this name that you may ask about."), "unknown_subject")
    try:
        arguments = checked_arguments(RequestKind(kind), given)
    except ArgumentInvalid as error:
        raise Problem(422, "invalid_request", f"{error.argument}: {retold(error)}") from None
    asked = operator_requests.ask(visit.transaction, RequestKind(kind), subject, arguments, visit.user.name, visit.now)
    visit.audit("request_asked", subject, {"kind": kind, **arguments})
    return f"{PATH}/{asked.id}?{urlencode({'back': text_of(form, 'back')})}"


def asked_rows(visit: Visit, about: SubjectKind, code: str) -> tuple[AskedRow, ...]:
    """What the pipeline was asked last about something."""
    found = operator_requests.newest(visit.transaction, SHOWN, {about: (code,)})
    zone = visit.installation.settings.time_zone
    return tuple(
        AskedRow(f"{PATH}/{each.id}", what(each), STATES[each.state], moment(each.asked_at, visit.now, zone))
        for each in found
    )


def what(request: OperatorRequest) -> str:
    """What was asked, in a few words."""
    if request.kind is RequestKind.BULK:
        action, count = request.arguments["action"], request.arguments["orders"]
        return counted("%(what)s: %(num)s order", "%(what)s: %(num)s orders", count, what=ACTIONS[action])
    arguments = ", ".join(str(each) for each in request.arguments.values() if each)
    return f"{KINDS[request.kind]}: {request.subject}{f' · {arguments}' if arguments else ''}"


def _visible(visit: Visit, request_id: str) -> OperatorRequest:
    found = operator_requests.find(visit.transaction, request_id)
    if found is None or found.subject not in _subjects(visit, found.kind):
        raise not_found("id", _("There is no such request, or it is forgotten."), "unknown_request")
    return found


def _subjects(visit: Visit, kind: RequestKind) -> frozenset[str]:
    return subjects(visit.transaction, RULES[kind].subject, visit.visible_channels)


def _finding(row: Mapping[str, Any]) -> ShownFinding:
    is_ok = row["verdict"] == "ok"
    return ShownFinding(
        row["part"], Badge(_("Fine"), "done") if is_ok else Badge(_("Wrong"), "failed"), row["message"], row["hint"]
    )


def _facts(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What came of a request but for lists, which have places of their own."""
    plain = {name: value for name, value in result.items() if not isinstance(value, list | dict)}
    nested = {
        f"{name} {each}": value
        for name, part in result.items()
        if isinstance(part, dict)
        for each, value in part.items()
    }
    return [(name.replace("_", " "), str(value)) for name, value in {**plain, **nested}.items() if value != ""]


def _names(result: Mapping[str, Any]) -> list[str]:
    return [f"{each}/" for each in result.get("folders", ())] + [each["name"] for each in result.get("files", ())]
