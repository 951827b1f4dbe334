"""Typed settings of connections and channels: what a kind does not know is refused wherever it is said, with what was meant."""

from __future__ import annotations

import pytest
import yaml

from orders_pipeline.marketplaces import registry
from orders_pipeline.marketplaces.errors import Permanent
from orders_pipeline.marketplaces.registry import KINDS, MARKETPLACES
from orders_pipeline.marketplaces.settings import HttpSettings, read_settings
from warehouse.ledger.settings import channels, configuration
from warehouse.ledger.settings.document import ConfigurationError, read_document
from warehouse.ledger.settings.file_lines import located
from warehouse.ledger.settings.kinds import all_kinds, keep_kinds
from warehouse.marketplace_kinds import MarketplaceKind

WRONG = """\
connections:
  shop:
    kind: mirakl
    regoin: eu
    region: eu
    endpoint: https://shop.example
    settings: {shop_idd: 2001, read_timeout_seconds: soon, rate_factor: 0}
    credentials: {apikey: "env:KEY"}
  eu:
    kind: amazon
    region: mars
    settings: {page_sise: 50, credentials_set_at: yesterday, lwa_endpoint: "http://login.example"}
channels:
  fr: {connection: shop, settings: {acceptance_hours: "two", cancelation_hold_hours: 5}}
"""

TOLD = [
    ("line 4", "regoin", "'region'"),
    ("line 5", "Mirakl has no such region", ""),
    ("line 7", "shop_idd", "'shop_id'"),
    ("line 7", "read_timeout_seconds", ""),
    ("line 7", "rate_factor", ""),
    ("line 8", "apikey", "'api_key'"),
    ("line 11", "Amazon has no such region", ""),
    ("line 12", "page_sise", "'page_size'"),
    ("line 12", 'credentials_set_at: "yesterday" is no date', ""),
    ("line 12", "lwa_endpoint", ""),
    ("line 14", "acceptance_hours", ""),
    ("line 14", "cancelation_hold_hours", "'cancellation_hold_hours'"),
]


def test_every_mistake_of_a_file_is_told_at_once_with_line_and_what_was_meant():
    with pytest.raises(ConfigurationError) as refused:
        read_document(WRONG, KINDS)
    told = located(WRONG, refused.value.problems)
    for line, word, meant in TOLD:
        assert any(each.startswith(f"{line}:") and word in each and meant in each for each in told), (line, word, told)
    assert len(told) == len(TOLD)


def test_a_channel_of_a_connection_that_is_there_is_checked_too(any_ledger, clock):
    start = "connections: {shop: {kind: mirakl, endpoint: 'https://shop.example'}}"
    change = "channels: {fr: {connection: shop, settings: {merchant_fulfilment_centers: [A]}}}"
    with any_ledger.write() as transaction:
        configuration.apply(transaction, read_document(start), clock())
        with pytest.raises(ConfigurationError, match="'merchant_fulfillment_centers'"):
            configuration.apply(transaction, read_document(change), clock())


def test_null_takes_away_even_a_setting_that_there_never_was(any_ledger, clock):
    old = channels.Connection(code="shop", kind="mirakl", label="S", settings={"shop_idd": 1, "locale": "fr_FR"})
    change = "connections: {shop: {kind: mirakl, settings: {shop_idd: null}}}"
    with any_ledger.write() as transaction:
        channels.save_connection(transaction, old, clock())
        configuration.apply(transaction, read_document(change), clock())
        assert channels.find_connection(transaction, "shop").settings == {"locale": "fr_FR"}


def test_a_bare_date_of_yaml_is_a_setting(any_ledger, clock):
    text = "connections: {eu: {kind: amazon, region: eu, settings: {credentials_set_at: 2026-05-20}}}"
    with any_ledger.write() as transaction:
        configuration.apply(transaction, read_document(text, KINDS), clock())
        assert channels.find_connection(transaction, "eu").settings == {"credentials_set_at": "2026-05-20"}


def test_a_new_channel_accepts_as_its_kind_has_it(any_ledger, clock):
    french, german = "{connection: eu, selector: FR}", "{connection: eu, selector: DE, acceptance: 'off'}"
    text = f"connections: {{eu: {{kind: swift}}}}\nchannels: {{fr: {french}, de: {german}}}"
    swift = yaml.safe_load(yaml.safe_dump(KINDS["mirakl"].as_json())) | {"kind": "swift", "acceptance": "automatic"}
    with any_ledger.read() as transaction:
        before = all_kinds(transaction)
    keep_kinds(any_ledger, before | {"swift": MarketplaceKind.from_json(swift)}, clock())
    with any_ledger.write() as transaction:
        configuration.apply(transaction, read_document(text), clock())
        assert {each.code: each.acceptance for each in channels.all_channels(transaction)} == {
            "fr": "automatic",
            "de": "off",
        }


@pytest.mark.parametrize(
    "kind", sorted(kind for kind, each in MARKETPLACES.items() if issubclass(each.settings, HttpSettings))
)
def test_a_client_refuses_what_its_kind_does_not_know(kind):
    with pytest.raises(Permanent) as refused:
        read_settings(MARKETPLACES[kind].settings, {"proxi": "http://127.0.0.1:1", "read_timeout_seconds": "soon"})
    assert refused.value.code == "settings_invalid"
    assert "did you mean 'proxy'" in refused.value.message
    assert "read_timeout_seconds" in refused.value.message


def test_descriptions_survive_the_ledger_and_those_that_are_gone_go(any_ledger, clock):
    with any_ledger.read() as transaction:
        assert all_kinds(transaction) == KINDS
    keep_kinds(any_ledger, {"mirakl": KINDS["mirakl"]}, clock())
    with any_ledger.read() as transaction:
        assert set(all_kinds(transaction)) == {"mirakl"}


class _Entry:
    def __init__(self, name, value, loads):
        self.name, self.value, self._loads = name, value, loads

    def load(self):
        if isinstance(self._loads, Exception):
            raise self._loads
        return self._loads


def test_a_package_that_cannot_be_loaded_stops_no_other(monkeypatch):
    entries = [
        _Entry("broken", "a:B", ImportError("no")),
        _Entry("nothing", "c:D", object()),
        _Entry("again", "e:F", MARKETPLACES["mirakl"]),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: entries if group == registry.GROUP else [])
    monkeypatch.setattr(registry, "NOT_LOADED", {})
    before = dict(MARKETPLACES)
    registry._load_installed()
    assert before == MARKETPLACES
    assert registry.NOT_LOADED.keys() == {"broken", "nothing", "again"}
    assert "ImportError" in registry.NOT_LOADED["broken"]
