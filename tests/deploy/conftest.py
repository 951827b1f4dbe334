"""What the tests of `deploy/` share: its files as they are, and the manifests as kustomize puts them together."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
OVERLAYS = sorted(path.parent.name for path in DEPLOY.glob("kubernetes/overlays/*/kustomization.yaml"))


def program(name: str, package: str) -> str:
    """A program of the system; where it is missing a developer goes without, and CI fails."""
    found = shutil.which(name)
    if found is None:
        told = f"{name} is not installed (Debian: {package})"
        pytest.fail(told) if os.environ.get("CI") else pytest.skip(told)
    return found


def built(folder: Path) -> list[dict]:
    """The manifests of a kustomization."""
    command = [program("kubectl", "kubernetes-client"), "kustomize", str(folder)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    return list(yaml.safe_load_all(told.stdout))


@pytest.fixture(scope="session")
def compose() -> dict:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


@pytest.fixture(scope="session", params=OVERLAYS)
def manifests(request) -> list[dict]:
    """Those of each overlay."""
    return built(DEPLOY / "kubernetes" / "overlays" / request.param)


@pytest.fixture(scope="session")
def dockerfile() -> str:
    return (DEPLOY / "Dockerfile").read_text()
