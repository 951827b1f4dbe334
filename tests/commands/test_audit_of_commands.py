"""What commands change stands in the audit log, with who ran them, and no secret."""

from __future__ import annotations

import getpass

from warehouse.clock import utc_now
from warehouse.ledger.base.database import open_ledger
from warehouse.ledger.people import audit
from warehouse.ledger.watch import incidents
from warehouse.ledger.watch.incidents import IncidentReport
from warehouse.settings import Settings


def test_every_command_that_changes_a_setting_is_written_down(configured):
    ledger = open_ledger(Settings(_env_file=None, home=configured.folder / "home"))
    trouble = IncidentReport(scope="channel", subject="shop", stage="pull", code="throttled", message="Slow down.")
    with ledger.write() as transaction:
        assert incidents.report(transaction, trouble, utc_now()) == 1
    ledger.close()
    for arguments, typed in (
        (("channels", "set", "shop", "--confirmation"), ""),
        (("connections", "secret", "shop", "api_key"), "canary-secret"),
        (("carriers", "set", "shop", "DPD01", "--carrier-code", "DPD"), ""),
        (("carriers", "remove", "shop", "DPD01"), ""),
        (("tokens", "create", "erp"), ""),
        (("alerts", "add", "crew", "--email", "crew@shop.example"), ""),
        (("alerts", "remove", "crew"), ""),
        (("storages", "add", "share", "--kind", "folder", "--setting", "path=/srv/x"), ""),
        (("export", "set", "shop", "--storage", "share"), ""),
        (("requests", "ask", "confirm", "shop"), ""),
        (("users", "add", "anna", "--role", "admin"), ""),
        (("incidents", "acknowledge", "1", "--hours", "8"), ""),
        (("incidents", "note", "1", "The carrier will call back."), ""),
    ):
        done = configured(*arguments, typed=typed)
        assert done.returncode == 0, (arguments, done.stderr)
    ledger = open_ledger(Settings(_env_file=None, home=configured.folder / "home"))
    with ledger.read() as transaction:
        found = audit.newest(transaction, 50)
        assert audit.verify(transaction).broken_at is None
    ledger.close()
    actions = [each.entry.action for each in found][::-1]
    applied = actions.index("channel_changed")
    assert set(actions[:applied]) == {"connection_created", "channel_created"}
    assert actions[applied:] == [
        *("channel_changed", "secret_typed", "carrier_saved", "carrier_removed"),
        *("token_made", "alert_saved", "alert_removed", "storage_created", "export_job_created", "request_asked"),
        *("user_added", "incident_acknowledged", "incident_noted"),
    ]
    acknowledged, noted = found[1].entry, found[0].entry
    assert (acknowledged.details, noted.details) == ({"hours": 8}, {"reason": "The carrier will call back."})
    assert acknowledged.subject == noted.subject
    assert {(each.entry.actor, each.entry.origin) for each in found} == {(getpass.getuser(), "command")}
    assert "canary-secret" not in str(found)
