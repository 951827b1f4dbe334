"""Both file jobs over real servers: OpenSSH, vsftpd with TLS, a plain FTP server, and a folder."""

from __future__ import annotations

import sys
from importlib import util
from pathlib import Path

import pytest

from orders_pipeline.file_jobs import export, ingest
from orders_pipeline.storages.registry import Storage
from warehouse.ledger.base.credentials import seal_secret
from warehouse.ledger.exchange.file_records import FileState
from warehouse.ledger.settings import storages
from warehouse.ledger.settings.file_jobs import JobKind
from warehouse.templates import ShipmentColumn

specification = util.spec_from_file_location("storage_servers", Path(__file__).parents[1] / "files" / "conftest.py")
servers = util.module_from_spec(specification)
sys.modules["storage_servers"] = servers
specification.loader.exec_module(servers)

root, account, authority = servers.root, servers.account, servers.authority
start_sshd, start_vsftpd, start_ftp = servers.start_sshd, servers.start_vsftpd, servers.start_ftp
sftp, ftps, ftp, folder = servers.sftp, servers.ftps, servers.ftp, servers.folder
served, place, storage = servers.served, servers.place, servers.storage


@pytest.fixture
def remote_shop(small_shop, served):
    """The shop with a server as its storage, whose secrets are sealed."""
    shop, owner = small_shop, storages.owner("remote")
    sealed = {
        name: seal_secret(shop.installation.keys, owner, name, secret) for name, secret in served.credentials.items()
    }
    entry = storages.StorageEntry(
        code="remote", kind=served.kind, label="R", settings=served.settings, credentials=sealed
    )
    with shop.ledger.write() as transaction:
        storages.save_storage(transaction, entry, shop.installation.clock())
    return shop


def names(storage: Storage, folder: str) -> list[str]:
    return [each.name for each in storage.list(folder)]


def test_orders_go_out_and_shipments_come_in(remote_shop, storage, place, an_order, tmp_path):
    shop = remote_shop
    shop.put(an_order(1), an_order(2))
    job = shop.declare(JobKind.EXPORT, storage="remote", folder=place)
    (exported,) = export.export_channel(shop.installation, job).files
    assert names(storage, place) == [exported.name]
    with (tmp_path / "read").open("wb") as sink:
        assert storage.read(f"{place}/{exported.name}", sink, 1_000_000) == exported.size
    assert (tmp_path / "read").read_bytes().count(b"\r\n") == 3
    export.resend(shop.installation, exported)
    assert names(storage, place) == [exported.name]

    for name, text in (
        ("good.csv", f"{','.join(ShipmentColumn)}\r\n,402-0000001,1,T1,,,,,\r\n,402-9,1,T9,,,,,\r\n"),
        ("junk.csv", "nothing,of,ours\r\n"),
    ):
        (tmp_path / name).write_text(text)
        storage.write(f"{place}/{name}", tmp_path / name)
    job = shop.declare(JobKind.IMPORT, storage="remote", folder=place)
    result = ingest.import_channel(shop.installation, job)
    assert (result.outcome, {each.name: each.state for each in result.files}) == (
        "done",
        {"good.csv": FileState.APPLIED, "junk.csv": FileState.REFUSED},
    )
    assert names(storage, place) == [exported.name]
    assert names(storage, f"{place}/rejected") == ["junk.csv"]
    assert names(storage, f"{place}/results") == ["good.result.csv", "junk.result.csv"]
    assert [each["tracking_number"] for each in shop.shipments()] == ["T1"]
