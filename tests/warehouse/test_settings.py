"""Where settings come from."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from warehouse.settings import Settings


def test_secrets_are_read_from_files_and_variables_go_before_them(tmp_path, monkeypatch):
    (tmp_path / "ORDERS_DATABASE_URL").write_text("postgresql://orders:pässword@db/orders\n", encoding="utf-8")
    (tmp_path / "ORDERS_SMTP_PASSWORD").write_text("from the file")
    monkeypatch.setenv("ORDERS_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("ORDERS_SMTP_PASSWORD", "from the environment")
    settings = Settings(_env_file=None)
    assert settings.database_url == "postgresql://orders:pässword@db/orders"
    assert settings.smtp_password.get_secret_value() == "from the environment"


def test_a_folder_of_secrets_that_is_not_there_is_no_empty_one(tmp_path, monkeypatch):
    monkeypatch.setenv("ORDERS_SECRETS_DIR", str(tmp_path / "missing"))
    with pytest.raises(ValidationError, match="another database might be taken"):
        Settings(_env_file=None)


def test_a_folder_of_secrets_is_named_where_it_is_heeded(tmp_path, monkeypatch):
    monkeypatch.delenv("ORDERS_SECRETS_DIR", raising=False)
    (tmp_path / ".env").write_text(f"ORDERS_SECRETS_DIR={tmp_path}\n")
    with pytest.raises(ValidationError, match="comes too late"):
        Settings(_env_file=tmp_path / ".env")
