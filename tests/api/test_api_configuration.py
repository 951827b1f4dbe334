"""Changing the configuration over the API: with the checks of a file, and nothing that sends a secret elsewhere."""

from __future__ import annotations

import pytest

from orders_api.schemas.configuration import Configuration, ConfigurationChanges
from orders_pipeline.marketplaces.registry import KINDS
from warehouse.ledger.base.credentials import resolve_credentials
from warehouse.ledger.people import audit
from warehouse.ledger.settings import channels, configuration, storages
from warehouse.ledger.settings.document import read_document
from warehouse.ledger.settings.kinds import keep_kinds
from warehouse.ledger.settings.tokens import Scope

PATH = "/v1/configuration"
FILE = """
connections:
  shop: {kind: mirakl, endpoint: "https://shop.example", credentials: {api_key: "env:SHOP_KEY"}}
storages:
  erp: {kind: sftp, settings: {host: sftp.example, user: orders}, credentials: {password: "env:ERP_PASSWORD"}}
channels:
  shop: {connection: shop, export: {storage: erp, folder: out}}
alerts:
  chat: {url: "env:CHAT_URL"}
"""


@pytest.fixture
def configured(api_ledger, clock):
    keep_kinds(api_ledger, KINDS, clock())
    with api_ledger.write() as transaction:
        configuration.apply(transaction, read_document(FILE), clock())
    return api_ledger


@pytest.fixture
def configurator(as_token, issued, configured, clock):
    return as_token(issued(configured, clock(), "desk", Scope.CONFIGURATION_WRITE))


def changes(answer) -> list:
    assert answer.status_code == 200, answer.text
    return ConfigurationChanges.model_validate_json(answer.content).changes


def patch(client, body, path=PATH, **headers):
    return client.request("PATCH", path, json=body, headers=headers)


def channel(ledger, code="shop"):
    with ledger.read() as transaction:
        return next(each for each in channels.all_channels(transaction) if each.code == code)


def test_it_is_read_as_a_file_has_it_and_shows_no_secret(configurator, configured):
    configurator.request("PUT", "/v1/connections/shop/credentials/api_key", json={"secret": "canary-secret"})
    answer = configurator.get(PATH)
    whole = Configuration.model_validate_json(answer.content)
    assert whole.connections["shop"]["credentials"] == {"api_key": "sealed"}
    assert whole.storages["erp"]["credentials"] == {"password": "env:ERP_PASSWORD"}
    assert whole.channels["shop"]["export"]["folder"] == "out"
    assert "sealed:" not in answer.text


def test_a_part_is_changed_and_all_else_stays(configurator, configured):
    [switched] = changes(patch(configurator, {"channels": {"shop": {"confirmation": True}}}))
    assert (switched.noun, switched.action) == ("channel", "change")
    assert [(each.field, each.before, each.after) for each in switched.fields] == [("confirmation", False, True)]
    [job] = changes(patch(configurator, {"channels": {"shop": {"export": {"frequency": "hourly"}}}}))
    assert (job.noun, [each.field for each in job.fields]) == ("export job", ["frequency"])
    [alert] = changes(patch(configurator, {"alerts": {"chat": {"summary": False}}}))
    assert (alert.noun, [each.field for each in alert.fields]) == ("alert", ["summary"])
    kept = channel(configured)
    assert (kept.confirmation, kept.retrieval) == (True, True)
    assert changes(patch(configurator, {"channels": {"shop": {"confirmation": True}}})) == []


def test_a_dry_run_writes_nothing(configurator, configured):
    answer = patch(configurator, {"channels": {"shop": {"confirmation": True}}}, f"{PATH}?dry_run=true")
    assert (answer.json()["dry_run"], len(changes(answer))) == (True, 1)
    assert channel(configured).confirmation is False


def test_of_two_editors_the_second_is_told(configurator):
    tag = configurator.get(PATH).headers["ETag"]
    assert changes(patch(configurator, {"channels": {"shop": {"label": "One"}}}, **{"If-Match": tag}))
    late = patch(configurator, {"channels": {"shop": {"label": "Two"}}}, **{"If-Match": tag})
    assert (late.status_code, late.json()["code"]) == (412, "configuration_has_changed")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"channels": {"shop": {"retreival": True}}}, "/channels/shop/retreival"),
        ({"channels": {"shop": {"export": {"storage": "nowhere"}}}}, "/channels/shop/export/storage"),
        ({"connections": {"other": {"kind": "amazn"}}}, "/connections/other/kind"),
    ],
)
def test_what_is_wrong_is_named(configurator, body, pointer):
    answer = patch(configurator, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_configuration")
    assert pointer in [each["pointer"] for each in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"connections": {"shop": {"endpoint": "https://evil.example"}}}, "/connections/shop/endpoint"),
        ({"connections": {"shop": {"kind": "amazon", "region": "eu"}}}, "/connections/shop/kind"),
        (
            {"connections": {"shop": {"credentials": {"api_key": "file:/etc/shadow"}}}},
            "/connections/shop/credentials",
        ),
        (
            {
                "connections": {
                    "new": {
                        "kind": "mirakl",
                        "endpoint": "https://evil.example",
                        "credentials": {"api_key": "env:ORDERS_KEYS"},
                    }
                }
            },
            "/connections/new/credentials",
        ),
        (
            {
                "connections": {
                    "new": {"kind": "amazon", "region": "eu", "settings": {"lwa_endpoint": "https://e.example"}}
                }
            },
            "/connections/new/settings/lwa_endpoint",
        ),
        ({"storages": {"erp": {"settings": {"host": "evil.example"}}}}, "/storages/erp/settings/host"),
        ({"storages": {"erp": {"settings": {"port": 2222}}}}, "/storages/erp/settings/port"),
        ({"storages": {"erp": {"credentials": {"password": "env:ORDERS_KEYS"}}}}, "/storages/erp/credentials"),
        ({"storages": {"etc": {"kind": "folder", "settings": {"path": "/etc"}}}}, "/storages/etc/kind"),
        ({"alerts": {"chat": {"url": "env:ORDERS_KEYS"}}}, "/alerts/chat/url"),
        ({"alerts": {"new": {"url": "file:/etc/shadow"}}}, "/alerts/new/url"),
    ],
)
def test_nothing_sends_a_secret_elsewhere(configurator, configured, body, pointer):
    before = configurator.get(PATH).content
    answer = patch(configurator, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_configuration"), answer.text
    assert pointer in [each["pointer"] for each in answer.json()["errors"]]
    assert configurator.get(PATH).content == before


def test_who_may_not_see_personal_data_does_not_say_where_order_files_go(
    configurator, configured, as_token, issued, clock
):
    new = {"kind": "sftp", "settings": {"host": "evil.example", "user": "x"}}
    for export in ({"storage": "evil"}, {"folder": "elsewhere"}):
        answer = patch(configurator, {"storages": {"evil": new}, "channels": {"shop": {"export": export}}})
        assert (answer.status_code, "personal data" in answer.json()["detail"]) == (422, True)
    off = {"channels": {"shop": {"export": {"enabled": False}}}}
    assert changes(patch(configurator, off))
    on = {"channels": {"shop": {"export": {"enabled": True}}}}
    assert patch(configurator, on).status_code == 422
    both = (Scope.CONFIGURATION_WRITE, Scope.ORDERS_READ_PII)
    assert changes(patch(as_token(issued(configured, clock(), "owner", *both)), on))


def test_what_is_new_may_be_set_up_and_its_secret_typed(configurator, configured, keys):
    new = {"kind": "sftp", "settings": {"host": "other.example", "user": "orders"}}
    assert changes(patch(configurator, {"storages": {"other": new}}))
    assert changes(patch(configurator, {"storages": {"other": {"settings": {"user": "shop"}}}}))
    typed = configurator.request("PUT", "/v1/storages/other/credentials/password", json={"secret": "s3cret"})
    assert typed.status_code == 204
    with configured.read() as transaction:
        entry = storages.find_storage(transaction, "other")
    assert resolve_credentials(storages.owner("other"), entry.credentials, keys) == {"password": "s3cret"}


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        ("/v1/connections/shop/credentials/api_kee", "x"),
        ("/v1/connections/nowhere/credentials/api_key", "x"),
        ("/v1/storages/erp/credentials/token", "x"),
    ],
)
def test_a_secret_without_a_place_is_not_taken(configurator, path, secret):
    answer = configurator.request("PUT", path, json={"secret": secret})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_credential")


def test_who_changed_what_is_written_down_without_secrets(configurator, configured):
    patch(configurator, {"channels": {"shop": {"confirmation": True}}})
    patch(configurator, {"channels": {"shop": {"confirmation": False}}}, f"{PATH}?dry_run=true")
    configurator.request("PUT", "/v1/connections/shop/credentials/api_key", json={"secret": "canary-secret"})
    with configured.read() as transaction:
        typed, changed = audit.newest(transaction, 2)
        chain = audit.verify(transaction)
    assert (changed.entry.actor, changed.entry.origin, changed.entry.subject) == ("desk", "api", "shop")
    assert changed.entry.details == {"confirmation": [False, True]}
    assert (typed.entry.action, typed.entry.details) == ("secret_typed", {"name": "api_key"})
    assert (chain.entries, chain.broken_at) == (2, None)


def test_only_who_may_configure_all_does(stranger, erp, as_token, issued, configured, clock):
    limited = as_token(issued(configured, clock(), "some", Scope.CONFIGURATION_WRITE, channels=["shop"]))
    for client, status in ((stranger, 401), (erp, 403), (limited, 403)):
        assert client.get(PATH).status_code == status
        assert patch(client, {}).status_code == status
        for place in ("connections/shop/credentials/api_key", "storages/erp/credentials/password"):
            assert client.request("PUT", f"/v1/{place}", json={"secret": "x"}).status_code == status
