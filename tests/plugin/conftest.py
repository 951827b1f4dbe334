"""A package that brings a marketplace, built and installed from its source into a folder of its own; nothing is fetched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """Runs Python with the package installed, from the repository's root: arguments → the finished process."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    shutil.copytree(HERE / "orders_acme", source / "orders_acme", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE / "pyproject.toml", source)
    install = ("-m", "pip", "install", "--quiet", "--no-index", "--no-build-isolation", "--no-deps", "--target", target)
    subprocess.run([sys.executable, *install, source], check=True, capture_output=True, timeout=300)

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        paths = os.pathsep.join([str(target), *([os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else [])])
        return subprocess.run(
            [sys.executable, *arguments],
            check=False,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": paths, **environment},
            capture_output=True,
            text=True,
            timeout=600,
        )

    return run
