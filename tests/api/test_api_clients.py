"""Clients that common generators make from the live description: nothing is left out, small programs written with them pass
the type checker, and they work against the live API.

The generators stand beside the virtual environment (`make test` puts them there); the programs are in `tests/clients`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from warehouse.ledger.settings.tokens import Scope

PROGRAMS = Path(__file__).parent.parent / "clients"
TOOLS = Path(sys.prefix) / "clients"
PATIENCE = 120

MYPY = """
[mypy]
strict = true
[mypy-orders_client.client]
# the generator's own: it hands untyped arguments to httpx
disable_error_code = arg-type
"""


def tool(path: Path, how: str) -> Path:
    """A program of a generator; in CI it must be there."""
    if not path.exists():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{path} is missing: {how}")
    return path


def run(*command: object, cwd: Path, path: Path | None = None) -> str:
    environment = dict(os.environ)
    if path is not None:
        environment["PATH"] = f"{path}{os.pathsep}{environment['PATH']}"
    words = [str(each) for each in command]
    done = subprocess.run(
        words, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 0, f"{words}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture
def token(api_ledger, issued, clock, book, order):
    book.put(*(order(n) for n in range(1, 6)))
    return issued(api_ledger, clock(), "erp", Scope.ORDERS_READ, Scope.SHIPMENTS_WRITE)


SEEN = {
    "orders": [f"402-{n:07d}" for n in (5, 4, 3, 2, 1)],
    "total": "124.60",
    "quantities": [3, 0],
    "results": ["accepted", "refused"],
    "refusals": ["unknown_order"],
    "all_refused": ["all_refused", ["refused"]],
    "channels": [["amazon_fr", "new"], ["mirakl_de", "new"]],
    "unknown": "unknown_order",
}


@pytest.mark.slow
def test_a_generated_client_in_python_is_whole_typed_and_works(live, token, tmp_path):
    generator = tool(TOOLS / "python" / "bin" / "openapi-python-client", "run `make test`")
    shutil.copy(PROGRAMS / "program.py", tmp_path)
    (tmp_path / "mypy.ini").write_text(MYPY)
    generate = (generator, "generate", "--url", f"{live}/openapi.json", "--meta", "none", "--fail-on-warning")
    run(*generate, "--output-path", tmp_path / "orders_client", cwd=tmp_path, path=generator.parent)
    run(sys.executable, "-m", "mypy", "program.py", "orders_client", cwd=tmp_path)
    assert json.loads(run(sys.executable, "program.py", live, token, cwd=tmp_path)) == SEEN


@pytest.mark.slow
def test_a_generated_client_in_typescript_is_typed_and_works(live, token, tmp_path):
    how = "install node and npm, then run `make test`"
    modules = tool(TOOLS / "node" / "node_modules", how)
    node = tool(Path(shutil.which("node") or "node"), how)
    (tmp_path / "node_modules").symlink_to(modules)
    for name in ("program.ts", "tsconfig.json", "package.json"):
        shutil.copy(PROGRAMS / name, tmp_path)
    generator = modules / "openapi-typescript" / "bin" / "cli.js"
    run(node, generator, f"{live}/openapi.json", "-o", "orders-api.d.ts", cwd=tmp_path)
    run(node, modules / "typescript" / "bin" / "tsc", "--project", ".", cwd=tmp_path)
    assert json.loads(run(node, "built/program.js", live, token, cwd=tmp_path)) == SEEN
