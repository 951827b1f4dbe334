"""Storages in the ledger: declared like connections, their secrets bound to them, a trusted host key kept."""

from __future__ import annotations

import pytest

from warehouse.ledger.base import credentials
from warehouse.ledger.settings import configuration, storages
from warehouse.ledger.settings.document import read_document
from warehouse.ledger.settings.storages import StorageEntry
from warehouse.privacy import KeyRingError

PIN = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
GOOD = """
storages:
  erp:
    kind: sftp
    label: The ERP
    settings: {host: sftp.example, user: orders, root: /exchange}
    credentials: {password: env:ERP_PASSWORD}
  share: {kind: folder, settings: {path: /srv/orders}}
"""


def apply(ledger, clock, text: str) -> list[configuration.Difference]:
    with ledger.write() as connection:
        return configuration.apply(connection, read_document(text), clock())


def find(ledger, code: str) -> StorageEntry | None:
    with ledger.read() as connection:
        return storages.find_storage(connection, code)


def test_what_is_declared_is_kept_and_applying_twice_changes_nothing(any_ledger, clock):
    first, second = apply(any_ledger, clock, GOOD), apply(any_ledger, clock, GOOD)

    assert [(each.noun, each.code, each.action) for each in first] == [
        ("storage", "erp", "create"),
        ("storage", "share", "create"),
    ]
    assert second == []
    with any_ledger.read() as connection:
        entries = storages.all_storages(connection)
    assert entries == [
        StorageEntry(
            code="erp",
            kind="sftp",
            label="The ERP",
            settings={"host": "sftp.example", "user": "orders", "root": "/exchange"},
            credentials={"password": "env:ERP_PASSWORD"},
        ),
        StorageEntry(code="share", kind="folder", label="share", settings={"path": "/srv/orders"}),
    ]


def test_the_export_applies_without_a_difference(any_ledger, clock):
    apply(any_ledger, clock, GOOD)
    with any_ledger.read() as connection:
        text = configuration.export(connection)

    assert apply(any_ledger, clock, text) == []


def test_settings_are_the_same_however_they_are_written(any_ledger, clock):
    apply(any_ledger, clock, GOOD.replace("root: /exchange", f"port: '2222', host_key: '{PIN}='"))

    assert find(any_ledger, "erp").settings == {
        "host": "sftp.example",
        "user": "orders",
        "port": 2222,
        "host_key": [PIN],
    }


def test_a_trusted_host_key_stays_until_the_file_names_one_or_the_host_changes(any_ledger, clock):
    apply(any_ledger, clock, GOOD)
    entry = find(any_ledger, "erp")
    with any_ledger.write() as connection:
        trusted = StorageEntry(
            code="erp",
            kind="sftp",
            label=entry.label,
            settings={**entry.settings, "host_key": [PIN]},
            credentials=entry.credentials,
        )
        storages.save_storage(connection, trusted, clock())

    assert apply(any_ledger, clock, GOOD) == []
    assert find(any_ledger, "erp").settings["host_key"] == [PIN]

    other = PIN.replace("47", "48")
    apply(any_ledger, clock, GOOD.replace("root: /exchange", f"host_key: '{other}'"))
    assert find(any_ledger, "erp").settings["host_key"] == [other]

    apply(any_ledger, clock, GOOD.replace("sftp.example", "sftp.other"))
    assert "host_key" not in find(any_ledger, "erp").settings


def test_a_storage_is_removed_once(any_ledger, clock):
    apply(any_ledger, clock, GOOD)
    with any_ledger.write() as connection:
        assert storages.remove_storage(connection, "erp") is True
        assert storages.remove_storage(connection, "erp") is False

    assert find(any_ledger, "erp") is None
    assert find(any_ledger, "share") is not None


def test_a_sealed_secret_opens_for_its_storage_alone(keys):
    sealed = credentials.seal_secret(keys, storages.owner("erp"), "password", "s3cret")
    erp = StorageEntry(code="erp", kind="sftp", label="", credentials={"password": sealed})
    other = StorageEntry(code="other", kind="sftp", label="", credentials={"password": sealed})

    assert storages.secrets_of(erp, keys) == {"password": "s3cret"}
    with pytest.raises(KeyRingError):
        storages.secrets_of(other, keys)
    assert "s3cret" not in repr(erp) + sealed
    assert credentials.shown(erp.credentials) == ["password=sealed"]


@pytest.mark.parametrize("reference", ["env:NOT_SET_ANYWHERE", "file:/no/such", "plain", "sealed:%%%"])
def test_a_secret_that_leads_nowhere_is_named_with_its_storage(keys, reference):
    entry = StorageEntry(code="erp", kind="sftp", label="", credentials={"password": reference})
    with pytest.raises(credentials.SecretMissing, match="storage:erp: password"):
        storages.secrets_of(entry, keys)
