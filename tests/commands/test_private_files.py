"""Whatever the umask: what the product writes belongs to its user alone."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from orders_pipeline.storages.folder import FolderStorage
from warehouse.storages import FolderSettings

EVERYBODY = stat.S_IRWXG | stat.S_IRWXO
CONFIGURATION = """
connections: {shop: {kind: mirakl, endpoint: "https://shop.example", credentials: {api_key: env:NOT_SET}}}
channels: {shop: {connection: shop, confirmation: true}}
"""
PROGRAM = """
import os, sys
os.umask(0)
from orders_pipeline.cli import main
for command in (["apply", "-f", "orders.yaml"], ["tables", "publish"], ["backup", "-o", "saved"]):
    os.umask(0)
    sys.argv = ["orders", *command]
    try:
        main()
    except SystemExit as ended:
        assert ended.code in (None, 0, 2), (command, ended.code)
"""


def open_to_others(folder: Path) -> list[Path]:
    return [each for each in (folder, *folder.rglob("*")) if each.stat().st_mode & EVERYBODY]


@pytest.mark.slow
def test_an_open_umask_opens_nothing(tmp_path):
    (tmp_path / "orders.yaml").write_text(CONFIGURATION)
    environment = {**os.environ, "ORDERS_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "home" / "ledger.sqlite").exists()
    assert list((tmp_path / "home" / "lake").rglob("*.sqlite"))
    assert open_to_others(tmp_path / "home") == []


def test_an_exported_file_is_private_unless_a_mode_is_set(tmp_path):
    source = tmp_path / "source.csv"
    source.write_text("a;b")
    before = os.umask(0)
    try:
        for mode, expected in ((None, 0o600), ("0640", 0o640), ("664", 0o664)):
            folder = tmp_path / f"out{mode}"
            folder.mkdir()
            storage = FolderStorage(FolderSettings(path=folder, mode=mode))
            storage.make_folder("sub")
            storage.write("sub/a.csv", source)
            assert stat.S_IMODE((folder / "sub" / "a.csv").stat().st_mode) == expected
            assert stat.S_IMODE((folder / "sub").stat().st_mode) == 0o700
    finally:
        os.umask(before)
