"""What is open to whom by default: bind addresses, TLS, keys, and what of a token is kept."""

from __future__ import annotations

import ast
import hashlib
import ipaddress
import ssl
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa
import typer

from orders_pipeline.cli import app
from orders_pipeline.installation import opened
from orders_pipeline.marketplaces import tls
from orders_pipeline.marketplaces.registry import MARKETPLACES
from orders_pipeline.storages.ftp import FtpsStorage
from warehouse.ledger.base import schema
from warehouse.ledger.base.credentials import seal_secret
from warehouse.ledger.settings import tokens
from warehouse.ledger.settings.document import ConfigurationError, read_document
from warehouse.ledger.settings.tokens import Scope
from warehouse.privacy import without_pii
from warehouse.settings import Settings
from warehouse.storages import SETTINGS, FtpsSettings

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("warehouse", "orders_api", "orders_pipeline")


def sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def options(command, path=()) -> list[tuple[str, str, object]]:
    """(command, option, default) of every command."""
    children = getattr(command, "commands", None)
    if children is None:
        return [(" ".join(path), each.name, each.default) for each in command.params]
    return [found for name, child in children.items() for found in options(child, (*path, name))]


def test_the_api_listens_on_loopback_by_default() -> None:
    assert ipaddress.ip_address(Settings(_env_file=None).api_host).is_loopback


def test_no_command_listens_elsewhere_by_default() -> None:
    hosts = [(command, default) for command, name, default in options(typer.main.get_command(app)) if name == "host"]
    assert {command for command, _ in hosts} == {"api", "sandbox serve", "up"}
    assert [each for each in hosts if each[1] is not None and not ipaddress.ip_address(each[1]).is_loopback] == []


def test_no_source_names_an_address_open_to_all() -> None:
    everywhere = {".".join("0000"), "::"}
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in everywhere
    ]
    assert found == []


def test_certificates_are_always_verified() -> None:
    """Nothing passes another `verify` than the one verifying context, makes its own, or switches a check of one off.

    FTP makes its own, for it may be told its authorities: what that context checks is the next test's.
    """
    ftp = [ROOT / "orders_pipeline/storages" / name for name in ("ftp.py", "ftp_client.py")]
    forbidden = {"verify", "check_hostname", "verify_mode", "CERT_NONE", "_create_unverified_context"}
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources()
        if path != Path(tls.__file__)
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.keyword) and node.arg in forbidden and ast.unparse(node.value) != "tls.verified()")
        or (isinstance(node, ast.Attribute) and node.attr in forbidden - {"verify"})
        or (isinstance(node, (ast.Import, ast.ImportFrom)) and _names_ssl(node) and path not in ftp)
        or (isinstance(node, ast.Attribute) and node.attr in {"SSLContext", "_create_stdlib_context"})
    ]
    assert found == []


def test_every_context_verifies_certificates_and_names() -> None:
    for context in (tls.verified(), FtpsStorage(FtpsSettings(host="h", user="u"), {})._trusted):
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def _names_ssl(node: ast.Import | ast.ImportFrom) -> bool:
    names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
    return "ssl" in names


@pytest.mark.parametrize("model", [Settings, *(each.settings for each in MARKETPLACES.values()), *SETTINGS.values()])
def test_no_setting_is_about_certificates(model) -> None:
    words = ("tls", "ssl", "verify", "insecure", "certificate")
    assert [name for name in model.model_fields if any(word in name for word in words)] == []


def test_of_a_token_only_the_hash_is_kept(ledger, clock) -> None:
    with ledger.write() as transaction:
        info, token = tokens.create(transaction, "erp", [Scope.ORDERS_READ], None, None, clock())
    with ledger.read() as transaction:
        row = transaction.execute(sa.select(schema.tokens)).mappings().one()
    secret = token.rpartition("_")[2]
    assert secret not in str(dict(row))
    kept = [value for value in row.values() if isinstance(value, bytes)]
    assert kept in ([hashlib.sha256(text.encode()).digest()] for text in (token, secret))
    assert info.id in token


def test_a_typed_secret_is_kept_encrypted(keys) -> None:
    assert "hidden" not in seal_secret(keys, "amazon_eu", "refresh_token", "hidden")


@pytest.mark.parametrize("written", ["Atzr|typed-into-the-file", "", "ENV:NAME"])
def test_a_secret_in_the_file_is_refused(written) -> None:
    text = f"connections: {{a: {{kind: amazon, credentials: {{refresh_token: '{written}'}}}}}}"
    with pytest.raises(ConfigurationError) as caught:
        read_document(text)
    assert "typed-into-the-file" not in str(caught.value)


def test_the_key_file_is_for_its_owner_alone(tmp_path) -> None:
    with opened(Settings(_env_file=None, home=tmp_path, keys=None)):
        pass
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600


def test_settings_do_not_print_the_key_ring() -> None:
    assert "c2VjcmV0" not in repr(Settings(_env_file=None, keys="k1:c2VjcmV0"))


@pytest.mark.parametrize("paths", [[("buyer",), ("buyer", "name")], [("buyer", "name"), ("buyer",)]])
def test_a_whole_object_is_removed_also_where_a_part_of_it_is_named(paths) -> None:
    assert without_pii({"buyer": {"name": "A", "email": "B"}}, paths) == {"buyer": None}
