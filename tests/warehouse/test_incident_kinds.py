"""Every stage that reports an incident belongs to a kind: nobody who chose by kind misses one."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import orders_api
import orders_pipeline
import warehouse
from warehouse.incidents import ANY_STAGE, KINDS
from warehouse.ledger.settings.file_jobs import JobKind

NAMES = {"PULL", "SWEEP", "CLOCK", "STAGE"}


def stages() -> dict[str, str]:
    """Stage → a module that has it, of every constant that names one and every literal of a report."""
    found = {kind.value: "file jobs" for kind in JobKind}
    for package in (warehouse, orders_pipeline, orders_api):
        root = Path(package.__path__[0])
        for path in root.rglob("*.py"):
            if "sandbox" in path.parts or "versions" in path.parts:
                continue
            name = ".".join((package.__name__, *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__")
            tree = ast.parse(path.read_text())
            uses_incidents = "incidents" in path.read_text()
            for node in ast.walk(tree):
                if (
                    isinstance(node, ast.Call)
                    and getattr(node.func, "attr", getattr(node.func, "id", "")) == "IncidentReport"
                ):
                    for keyword in node.keywords:
                        if keyword.arg == "stage" and isinstance(keyword.value, ast.Constant):
                            found[keyword.value.value] = name
            if uses_incidents:
                module = importlib.import_module(name)
                found |= {
                    getattr(module, each): name
                    for each in NAMES & vars(module).keys()
                    if isinstance(getattr(module, each), str)
                }
    return found


def test_every_stage_belongs_to_a_kind():
    known = {stage for _, own, _ in KINDS for stage in own} - {ANY_STAGE}
    found = stages()
    assert {"pull", "import_rows", "acknowledge", "publish"} <= found.keys()
    assert {stage: module for stage, module in found.items() if stage not in known} == {}
