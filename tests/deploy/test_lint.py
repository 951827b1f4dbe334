"""The files of `deploy/` are what the programs that read them take."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest

from tests.deploy.conftest import DEPLOY, ROOT, built, program

OLDEST, NEWEST = "1.30", "1.37"
"""Of Kubernetes: the manifests are of both."""
CUSTOM = {"ServiceMonitor"}
"""Kinds that no cluster knows by itself, and no schema of Kubernetes."""
YAML_RULES = """
extends: default
rules:
  document-start: disable
  braces: {max-spaces-inside: 1}
  line-length: {max: 140}
"""


def run(*command: str) -> str:
    told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


def beside_python(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def test_the_dockerfile():
    assert run(beside_python("hadolint"), "deploy/Dockerfile") == ""


def test_yaml():
    run(sys.executable, "-m", "yamllint", "--strict", "-d", YAML_RULES, "deploy")


def test_compose_knows_its_members():
    files = sorted(map(str, DEPLOY.glob("compose*.yaml")))
    run(beside_python("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", *files)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_knows_the_manifests(manifests, version):
    for each in manifests:
        kubernetes_validate.validate(each, version, strict=True)


def test_the_monitor_is_all_that_needs_an_operator():
    assert {each["kind"] for each in built(DEPLOY / "kubernetes" / "monitoring")} == CUSTOM


def test_systemd_knows_the_units():
    told = subprocess.run(
        [program("systemd-analyze", "systemd"), "verify", *sorted(map(str, DEPLOY.glob("systemd/*.service")))],
        capture_output=True,
        text=True,
        check=False,
    )
    faults = [line for line in told.stderr.splitlines() if "is not executable: No such file" not in line]
    assert faults == []
