"""What every kind of storage promises, each on a real server."""

from __future__ import annotations

import io
import os
from datetime import UTC, datetime, timedelta

import pytest

from orders_pipeline.storages.errors import (
    AlreadyThere,
    FileMissing,
    FolderMissing,
    NameRefused,
    OwnDiskFailed,
    SettingsInvalid,
    TooLarge,
)
from orders_pipeline.storages.probe import probe
from orders_pipeline.storages.registry import StorageVerdict, open_storage

CONTENT = os.urandom(100_000) + b"\r\n\n\r\x00\xff"


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    return path


def content_of(storage, path: str) -> bytes:
    sink = io.BytesIO()
    assert storage.read(path, sink, 10_000_000) == len(sink.getvalue())
    return sink.getvalue()


def names(storage, folder: str) -> list[str]:
    return [each.name for each in storage.list(folder)]


def test_a_file_goes_there_and_comes_back_byte_for_byte(storage, place, source):
    storage.write(f"{place}/orders.csv", source)

    (seen,) = storage.list(place)
    assert (seen.name, seen.size) == ("orders.csv", len(CONTENT))
    assert abs(seen.modified_at - datetime.now(UTC)) < timedelta(minutes=2)
    assert storage.exists(f"{place}/orders.csv") == len(CONTENT)
    assert content_of(storage, f"{place}/orders.csv") == CONTENT


def test_an_empty_file_is_a_file(storage, place, tmp_path):
    empty = tmp_path / "empty"
    empty.touch()
    storage.write(f"{place}/empty.csv", empty)

    assert storage.exists(f"{place}/empty.csv") == 0
    assert content_of(storage, f"{place}/empty.csv") == b""


def test_a_name_that_is_taken_is_not_overwritten_but_a_repeat_may_replace(storage, place, source, tmp_path):
    storage.write(f"{place}/orders.csv", source)
    other = tmp_path / "other"
    other.write_bytes(b"other")

    with pytest.raises(AlreadyThere, match=r"orders\.csv"):
        storage.write(f"{place}/orders.csv", other)
    assert content_of(storage, f"{place}/orders.csv") == CONTENT

    storage.write_again(f"{place}/orders.csv", other)
    storage.write_again(f"{place}/new.csv", other)
    assert content_of(storage, f"{place}/orders.csv") == b"other"
    assert names(storage, place) == ["new.csv", "orders.csv"]


def test_what_a_crash_left_as_part_is_written_over(storage, served, place, source):
    left = served.folder / place / "orders.csv.part"
    left.write_bytes(CONTENT * 2)
    left.chmod(0o666)
    if served.kind in {"sftp", "ftps"}:
        os.chown(left, (served.folder).stat().st_uid, (served.folder).stat().st_gid)

    storage.write(f"{place}/orders.csv", source)

    assert content_of(storage, f"{place}/orders.csv") == CONTENT
    assert names(storage, place) == ["orders.csv"]


def test_a_file_moves_into_a_folder_that_is_made_for_it(storage, place, source):
    storage.write(f"{place}/in.csv", source)
    storage.move(f"{place}/in.csv", f"{place}/rejected/2026/in.csv")
    storage.write(f"{place}/in.csv", source)

    assert content_of(storage, f"{place}/rejected/2026/in.csv") == CONTENT
    with pytest.raises(AlreadyThere):
        storage.move(f"{place}/in.csv", f"{place}/rejected/2026/in.csv")
    assert names(storage, place) == ["in.csv"], "folders are not listed, and the file stays where it was"
    with pytest.raises(FileMissing):
        storage.move(f"{place}/none.csv", f"{place}/rejected/none.csv")


def test_folders_are_made_once(storage, place):
    storage.make_folder(f"{place}/a/b")
    storage.make_folder(f"/{place}/a/b/")

    assert storage.list(f"{place}/a/b") == ()
    assert storage.folders(place) == ("a",)
    assert storage.folders(f"{place}/a/b") == ()
    assert storage.exists(f"{place}/a") is None, "a folder is no file"


def test_what_is_removed_is_gone(storage, place, source):
    storage.write(f"{place}/orders.csv", source)
    storage.remove(f"{place}/orders.csv")

    assert storage.exists(f"{place}/orders.csv") is None
    assert storage.list(place) == ()
    with pytest.raises(FileMissing, match=r"orders\.csv"):
        storage.remove(f"{place}/orders.csv")
    with pytest.raises(FileMissing, match=r"orders\.csv"):
        storage.read(f"{place}/orders.csv", io.BytesIO(), 1)


def test_a_missing_folder_is_named(storage, place, source):
    with pytest.raises(FolderMissing, match="nowhere"):
        storage.list(f"{place}/nowhere")
    with pytest.raises(FolderMissing, match="nowhere"):
        storage.folders(f"{place}/nowhere")
    with pytest.raises(FolderMissing, match="nowhere"):
        storage.write(f"{place}/nowhere/orders.csv", source)


def test_this_machines_own_disk_is_not_mistaken_for_the_storage(storage, place, source, tmp_path):
    storage.write(f"{place}/orders.csv", source)

    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OwnDiskFailed, match="No space"):  # noqa: PTH123
        storage.read(f"{place}/orders.csv", full, len(CONTENT))
    with pytest.raises(OwnDiskFailed, match="No such file"):
        storage.write(f"{place}/other.csv", tmp_path / "nowhere")
    assert names(storage, place) == ["orders.csv"]


def test_a_file_over_the_limit_is_not_read(storage, place, source):
    storage.write(f"{place}/orders.csv", source)
    sink = io.BytesIO()

    with pytest.raises(TooLarge, match=str(len(CONTENT))):
        storage.read(f"{place}/orders.csv", sink, len(CONTENT) - 1)
    assert sink.getvalue() == b""
    assert storage.read(f"{place}/orders.csv", sink, len(CONTENT)) == len(CONTENT)


def test_names_that_mean_something_to_shells_and_servers_are_just_names(storage, place, source):
    for name in ("with blank.csv", "*.csv", "~root.csv", "$(id);`id`.csv", "Größe 1€ 注文.csv", "a" * 240 + ".csv"):
        storage.write(f"{place}/{name}", source)
        assert content_of(storage, f"{place}/{name}") == CONTENT
        assert names(storage, place) == [name]
        storage.remove(f"{place}/{name}")


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "a/../../x",
        "..",
        ".",
        "a//b",
        "-rf",
        "a/-x",
        "a\0b",
        "a\r\nDELE b",
        "a\\b",
        " x",
        "x ",
        "\udcff",
        "x" * 251,
        "a/" * 600,
        "a\u202eb",
    ],
)
def test_paths_that_could_mean_something_else_are_refused_by_every_call(storage, source, path):
    for call in (
        lambda: storage.list(f"a/{path}"),
        lambda: storage.exists(path),
        lambda: storage.read(path, io.BytesIO(), 1),
        lambda: storage.write(path, source),
        lambda: storage.write_again(path, source),
        lambda: storage.move(path, "x"),
        lambda: storage.move("x", path),
        lambda: storage.make_folder(f"a/{path}"),
        lambda: storage.remove(path),
    ):
        with pytest.raises(NameRefused) as refusal:
            call()
        assert refusal.value.message.isascii()
        assert refusal.value.message.isprintable()


def test_a_name_that_is_no_text_stops_nobody_else(storage, served, place, source):
    storage.write(f"{place}/good.csv", source)
    strange = os.fsencode(served.folder / place) + b"/caf\xe9.csv"
    with open(strange, "wb") as file:  # noqa: PTH123 - a path of bytes
        file.write(b"12345")

    found = names(storage, place)

    if served.kind == "ftp":  # pyftpdlib replaces such bytes itself
        assert found == ["caf?.csv", "good.csv"]
        return
    assert found == ["caf\\xe9.csv", "good.csv"]
    with pytest.raises(NameRefused, match="backslash"):
        storage.read(f"{place}/{found[0]}", io.BytesIO(), 10)


def test_links_and_folders_are_not_listed(storage, served, place, source):
    storage.write(f"{place}/good.csv", source)
    storage.make_folder(f"{place}/folder.csv")
    (served.folder / place / "link.csv").symlink_to("/etc/passwd")

    assert "folder.csv" not in names(storage, place)
    if served.kind in {"sftp", "folder"}:  # FTP shows what a link leads to
        assert names(storage, place) == ["good.csv"]


def test_a_test_tries_every_operation_and_leaves_nothing(storage, place):
    findings = probe(storage, place)

    assert [each.part for each in findings][-6:] == ["folder", "write", "rename", "list", "read", "remove"]
    assert all(each.verdict is not StorageVerdict.WRONG for each in findings)
    assert storage.list(place) == ()


def test_a_test_names_the_folder_that_is_missing(storage, place):
    last = probe(storage, f"{place}/nowhere")[-1]

    assert (last.part, last.verdict, last.code) == ("folder", StorageVerdict.WRONG, "storage_folder_missing")
    assert "nowhere" in last.message
    assert last.hint


def test_the_root_itself_can_be_listed_and_closing_twice_is_fine(storage):
    assert isinstance(storage.list(""), tuple)
    assert isinstance(storage.list("/"), tuple)
    storage.close()
    storage.close()
    assert isinstance(storage.list("/"), tuple), "it connects again when it is used again"
    storage.close()


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("smb", {}, "there is no kind"),
        ("sftp", {"user": "u"}, "host: Field required"),
        ("sftp", {"host": "h", "user": "u", "host_key": ["MD5:abc"]}, "host_key.0: .*SHA256"),
        ("sftp", {"host": "h", "user": "u", "port": 0}, "port"),
        ("sftp", {"host": "h", "user": "u", "verify": False}, "verify: Extra"),
        ("ftps", {"host": "user@h", "user": "u"}, "host"),
        ("folder", {"path": "relative"}, "path: .*absolute"),
    ],
)
def test_wrong_settings_are_named(kind, settings, said):
    with pytest.raises(SettingsInvalid, match=said):
        open_storage(kind, settings, {})
