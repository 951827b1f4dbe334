"""orders.yaml: what is refused and where, that applying twice changes nothing, and that secrets stay out of it."""

from __future__ import annotations

import pytest
import yaml

from orders_pipeline.marketplaces.registry import KINDS
from warehouse.ledger.base import credentials
from warehouse.ledger.settings import channels, configuration
from warehouse.ledger.settings.document import ConfigurationError, read_document
from warehouse.ledger.settings.file_lines import located
from warehouse.ledger.settings.kinds import keep_kinds

GOOD = """
connections:
  amazon_eu:
    kind: amazon
    region: eu
    credentials: {client_id: env:AMZ_ID, client_secret: file:/run/secrets/amz, refresh_token: env:AMZ_TOKEN}
channels:
  amazon_fr: {connection: amazon_eu, label: Amazon FR, selector: A13V1IB3VIYZZH}
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("connections: [", "not YAML"),
        ("connection: {}", "connection: there is no such key; did you mean 'connections'"),
        ("connections: {a: {kind: amazon, regoin: eu}}", "connections.a.regoin"),
        ("connections: {a: {kind: amazon, region: mars}}", "connections.a.region"),
        ("connections: {a: {kind: amazon, credentials: {client_id: plain-secret}}}", "env:NAME or file:PATH"),
        ("connections: {'Bad Code': {kind: amazon}}", "'Bad Code'"),
        ("connections: {a: {kind: mirakl, endpoint: 'http://shop.example'}}", "connections.a.endpoint: .*not https"),
        ("connections: {a: {kind: amazon, endpoint: 'http://sell.example'}}", "connections.a.endpoint: .*not https"),
        ("connections: {a: {kind: mirakl, endpoint: shop.example}}", "connections.a.endpoint: .*no web address"),
        (
            "connections: {a: {kind: amazon, settings: {lwa_endpoint: 'http://login.example'}}}",
            "connections.a.settings.lwa_endpoint: .*is not https",
        ),
        ("channels: {a: {label: A}}", "channels.a.connection"),
        ("storages: {a: {kind: smb}}", "storages.a.kind"),
        ("storages: {a: {kind: folder, settings: {path: here}}}", "storages.a.settings.path: .*absolute"),
        ("storages: {a: {kind: ftps, settings: {host: h, user: u, verify: no}}}", "storages.a.settings.verify"),
        (
            "storages: {a: {kind: ftps, settings: {host: h, user: u}, credentials: {private_key: env:X}}}",
            "storages.a.credentials.private_key: .*ftps",
        ),
        ("storages: {a: {kind: ftp, credentials: {password: plain-secret}}}", "env:NAME or file:PATH"),
        ("channels: {a: {connection: b, carriers: {X: {}}}}", "channels.a.carriers.X"),
        ("channels: {a: {connection: b, carriers: {X: {carrier: Y}}}}", "channels.a.carriers.X.carrier"),
        ("channels: {a: {connection: b, carriers: {X: {carrier_code: Y, tracking_url: z}}}}", "tracking_url"),
    ],
)
def test_a_wrong_file_is_refused_naming_the_place(text: str, said: str):
    with pytest.raises(ConfigurationError, match=said.replace("(", "\\(")):
        read_document(text, KINDS)


MISTYPED = """\
connections:
  eu: {kind: amazon, regoin: eu}
  Bad Code: {kind: amazon}
channels:
  fr:
    connection: eu
    selctor: X
    export:
      storge: files
    carriers:
      DHL: {carier_code: x}
storages:
  s: {kind: sftp, settings: {hots: a, host: b, user: c}}
allerts: {}
"""


def test_every_mistake_is_told_at_once_with_its_line_and_what_was_meant():
    with pytest.raises(ConfigurationError) as refused:
        read_document(MISTYPED)
    told = located(MISTYPED, refused.value.problems)
    assert [each.partition(":")[0] for each in told] == [f"line {line}" for line in (2, 3, 7, 9, 11, 13, 14)]
    meant = ["region", None, "selector", "storage", "carrier_code", "host", "alerts"]
    assert [each.partition("did you mean ")[2].strip("'?") or None for each in told] == meant


def test_a_name_that_is_not_there_is_answered_by_the_one_that_was_meant(any_ledger):
    text = "connections: {shop: {kind: mirakel}}\nchannels:\n  a: {connection: shup}"
    document = read_document(text)
    with any_ledger.read() as transaction, pytest.raises(ConfigurationError) as refused:
        configuration.differences(transaction, document)
    assert located(text, refused.value.problems) == [
        "line 1: connections.shop.kind: there is no kind 'mirakel'; did you mean 'mirakl'?",
        "line 3: channels.a.connection: there is no connection 'shup'; did you mean 'shop'?",
    ]


@pytest.mark.parametrize("text", ["", "- a", "channels: []", "channels: {fr: }", "a: [", "channels: {1: {}}"])
def test_a_file_of_any_shape_is_answered(text):
    try:
        read_document(text)
    except ConfigurationError as refused:
        assert located(text, refused.problems)  # noqa: PT017 - an empty file is none


def test_a_refusal_never_repeats_a_secret():
    with pytest.raises(ConfigurationError) as refused:
        read_document("connections: {a: {kind: amazon, credentials: {client_id: s3cr3t-value}}}")
    assert "s3cr3t-value" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("connections: {a: {kind: bazaar}}", "connections.a.kind"),
        ("channels: {a: {connection: nowhere}}", "channels.a.connection"),
        ("storages: {a: {kind: sftp, settings: {user: u}}}", "storages.a.settings.host: Field required"),
    ],
)
def test_what_only_the_ledger_can_tell_is_refused_too(any_ledger, clock, text: str, said: str):
    document = read_document(text)
    with any_ledger.write() as connection, pytest.raises(ConfigurationError, match=said):
        configuration.apply(connection, document, clock())


def test_applying_twice_changes_nothing_the_second_time(any_ledger, clock):
    document = read_document(GOOD)
    with any_ledger.write() as connection:
        first = configuration.apply(connection, document, clock())
        second = configuration.apply(connection, document, clock())
    assert [(each.noun, each.code, each.action) for each in first] == [
        ("connection", "amazon_eu", "create"),
        ("channel", "amazon_fr", "create"),
    ]
    assert second == []


def test_a_change_is_shown_field_by_field(any_ledger, clock):
    with any_ledger.write() as connection:
        configuration.apply(connection, read_document(GOOD), clock())
        changed = read_document(GOOD.replace("label: Amazon FR", "label: Amazon France, retrieval: false"))
        found = configuration.differences(connection, changed)
    assert found[0].fields == {
        "label": ("Amazon FR", "Amazon France"),
        "retrieval": (True, False),
    }


def test_the_export_applies_without_a_difference(any_ledger, clock):
    with any_ledger.write() as connection:
        configuration.apply(connection, read_document(GOOD), clock())
        text = configuration.export(connection)
        assert configuration.differences(connection, read_document(text)) == []


def test_what_pulling_learnt_survives_a_change_of_the_configuration(any_ledger, clock):
    with any_ledger.write() as connection:
        configuration.apply(connection, read_document(GOOD), clock())
        channels.remember(connection, "amazon_eu", {"clock_skew_seconds": 40})
        configuration.apply(
            connection,
            read_document(GOOD.replace("kind: amazon", "kind: amazon\n    label: EU")),
            clock(),
        )
        found = channels.find_connection(connection, "amazon_eu")
    assert found is not None
    assert (found.label, dict(found.state)) == ("EU", {"clock_skew_seconds": 40})


def test_credentials_resolve_from_environment_file_and_seal(any_ledger, clock, keys, tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("from-file\n")
    monkeypatch.setenv("SOME_SECRET", "from-env")
    connection = channels.Connection(
        code="a",
        kind="amazon",
        label="A",
        credentials={
            "x": "env:SOME_SECRET",
            "y": f"file:{tmp_path / 'secret'}",
            "z": credentials.seal_secret(keys, "a", "z", "from-seal"),
        },
    )
    assert credentials.resolve_credentials(connection.code, connection.credentials, keys) == {
        "x": "from-env",
        "y": "from-file",
        "z": "from-seal",
    }


@pytest.mark.parametrize(
    ("reference", "said"),
    [("env:NOT_SET_ANYWHERE", "NOT_SET_ANYWHERE"), ("file:/no/such", "No such file"), ("plain", "env:NAME")],
)
def test_a_reference_that_leads_nowhere_is_named(keys, reference: str, said: str):
    connection = channels.Connection(code="a", kind="amazon", label="A", credentials={"x": reference})
    with pytest.raises(credentials.SecretMissing, match=said):
        credentials.resolve_credentials(connection.code, connection.credentials, keys)


def test_carriers_are_declared_changed_and_exported(any_ledger, clock):
    document = read_document(
        GOOD.replace(
            "selector: A13V1IB3VIYZZH",
            "selector: A13V1IB3VIYZZH, carriers: {dpd01: {carrier_code: DPD}, BIKE: {carrier_name: Vélo}}",
        )
    )
    changed = read_document(
        GOOD.replace("selector: A13V1IB3VIYZZH", "selector: A13V1IB3VIYZZH, carriers: {DPD01: {carrier_code: DPD_FR}}")
    )
    with any_ledger.write() as connection:
        first = configuration.apply(connection, document, clock())
        assert configuration.apply(connection, document, clock()) == []
        second = configuration.apply(connection, changed, clock())
        exported = read_document(configuration.export(connection))
        assert configuration.differences(connection, exported) == []
    assert [each.code for each in first if each.noun == "carrier"] == ["amazon_fr/DPD01", "amazon_fr/BIKE"]
    assert [(each.action, each.code, each.fields) for each in second] == [
        ("change", "amazon_fr/DPD01", {"carrier_code": ("DPD", "DPD_FR")})
    ]
    assert {code: each.carrier_code for code, each in exported.channels["amazon_fr"].carriers.items()} == {
        "BIKE": None,
        "DPD01": "DPD_FR",
    }


WHOLE = """
connections:
  amazon_eu: {kind: amazon, label: EU, region: eu, settings: {page_size: 50, rate_factor: 2}, credentials: {client_id: "env:A"}}
storages:
  erp:
    kind: sftp
    settings: {host: files.example, port: 2222, user: shop, host_key: "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}
    credentials: {password: "env:B"}
  other: {kind: folder, settings: {path: /srv/out}}
channels:
  amazon_fr:
    connection: amazon_eu
    label: Amazon FR
    selector: A13V1IB3VIYZZH
    confirmation: true
    acceptance: "off"
    settings: {cancellation_hold_hours: 12}
    carriers: {DPD01: {carrier_code: DPD, tracking_url: "https://dpd.example/{tracking_number}"}}
    export: {storage: erp, folder: out, frequency: daily, at: "06:30", statuses: [SHIPPED], spreadsheet_safe: true}
    import: {storage: erp, folder: in, always_result: true, enabled: false}
alerts:
  crew: {email: crew@shop.example, kinds: [retrieval], summary: false}
"""


@pytest.mark.parametrize(
    ("part", "changed"),
    [
        ("channels: {amazon_fr: {connection: amazon_eu}}", {}),
        ("channels: {amazon_fr: {connection: amazon_eu, label: New}}", {"channel": {"label": "New"}}),
        (
            "channels: {amazon_fr: {connection: amazon_eu, settings: {cancellation_hold_hours: 24}}}",
            {"channel": {"settings": {"cancellation_hold_hours": 24}}},
        ),
        (
            "channels: {amazon_fr: {connection: amazon_eu, selector: A1PA6795UKMFR9}}",
            {"channel": {"selector": "A1PA6795UKMFR9"}},
        ),
        ("channels: {amazon_fr: {connection: amazon_eu, export: {enabled: false}}}", {"export job": {"is_on": False}}),
        (
            "channels: {amazon_fr: {connection: amazon_eu, export: {storage: other}}}",
            {"export job": {"storage": "other"}},
        ),
        (
            "channels: {amazon_fr: {connection: amazon_eu, import: {frequency: hourly}}}",
            {"import job": {"frequency": "hourly"}},
        ),
        (
            "channels: {amazon_fr: {connection: amazon_eu, carriers: {DPD01: {carrier_name: D}}}}",
            {"carrier": {"carrier_name": "D"}},
        ),
        (
            "connections: {amazon_eu: {kind: amazon, settings: {page_size: 10}}}",
            {"connection": {"settings": {"page_size": 10, "rate_factor": 2}}},
        ),
        (
            "connections: {amazon_eu: {kind: amazon, credentials: {refresh_token: 'env:C'}}}",
            {"connection": {"credentials": {"client_id": "env:A", "refresh_token": "env:C"}}},
        ),
        ("storages: {erp: {kind: sftp, settings: {user: other}}}", {"storage": {"settings": None}}),
        ("alerts: {crew: {email: crew@shop.example, summary: true}}", {"alert": {"summary": True}}),
        ("alerts: {crew: {email: new@shop.example}}", {"alert": {"address": "new@shop.example"}}),
    ],
)
def test_a_file_changes_what_it_names_and_nothing_else(ledger, clock, part, changed):
    with ledger.write() as connection:
        configuration.apply(connection, read_document(WHOLE), clock())
    with ledger.write() as connection:
        before = yaml.safe_load(configuration.export(connection))
        found = configuration.apply(connection, read_document(part), clock())
        after = yaml.safe_load(configuration.export(connection))
    told = {each.noun: {name: pair[1] for name, pair in each.fields.items()} for each in found}
    assert told.keys() == changed.keys()
    for noun, members in changed.items():
        assert told[noun].keys() == members.keys()
        said = {name: value for name, value in members.items() if value is not None}
        assert {name: told[noun][name] for name in said} == said
    for section, codes in before.items():
        assert after[section].keys() == codes.keys()
    if not changed:
        assert after == before


def test_another_host_takes_no_trusted_key_along(ledger, clock):
    with ledger.write() as connection:
        configuration.apply(connection, read_document(WHOLE), clock())
        part = "storages: {erp: {kind: sftp, settings: {host: other.example}}}"
        configuration.apply(connection, read_document(part), clock())
        settings = yaml.safe_load(configuration.export(connection))["storages"]["erp"]["settings"]
    assert settings == {"host": "other.example", "port": 2222, "user": "shop"}


@pytest.mark.parametrize("folder", ["..", "out/../..", "..\\out", "a/.."])
@pytest.mark.parametrize("member", ["export: {storage: erp, folder", "import: {storage: erp, result_folder"])
def test_a_folder_that_leads_out_is_refused_when_it_is_declared(folder, member):
    text = f"channels: {{amazon_fr: {{connection: amazon_eu, {member}: '{folder}'}}}}}}"
    with pytest.raises(ConfigurationError, match=r"must not hold \.\."):
        read_document(text)


def test_a_new_job_needs_a_storage(ledger):
    document = read_document(GOOD.replace("selector:", "export: {folder: x}, selector:"))
    with pytest.raises(ConfigurationError, match="a new job needs the code"):
        differences(ledger, document)


def differences(ledger, document) -> list:
    with ledger.read() as connection:
        return configuration.differences(connection, document)


@pytest.mark.parametrize(("first", "second"), [("null", "null"), ("FR", "FR")])
def test_two_channels_of_a_connection_never_have_the_same_orders(any_ledger, clock, first, second):
    keep_kinds(any_ledger, KINDS, clock())
    shop = "connections: {shop: {kind: mirakl, endpoint: 'https://m.example'}}"
    start = f"{shop}\nchannels: {{a: {{connection: shop, selector: {first}}}}}"
    with any_ledger.write() as connection:
        configuration.apply(connection, read_document(start), clock())
        with pytest.raises(ConfigurationError, match=r"channels\.b\.selector: channel a of this connection"):
            configuration.apply(
                connection, read_document(f"channels: {{b: {{connection: shop, selector: {second}}}}}"), clock()
            )
        configuration.apply(connection, read_document("channels: {b: {connection: shop, selector: ES}}"), clock())
