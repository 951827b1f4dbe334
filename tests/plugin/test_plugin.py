"""Somebody else's package adds a marketplace: installed it is there, keeps the contract, and its orders go all the way.

What its orders go through is in `acme_flow.py`, which runs where the package is installed.
"""

from __future__ import annotations

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONTRACT = "orders_pipeline.marketplaces.acceptance"


def test_it_keeps_the_contract_that_is_shipped(installed):
    done = installed(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", CONTRACT, "--pyargs", CONTRACT, "--marketplace", "acme")
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout


def test_its_orders_are_pulled_accepted_confirmed_and_cancelled(installed):
    done = installed(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / "acme_flow.py")),
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


def test_the_command_line_and_the_lineage_know_it(installed, tmp_path):
    home = {"ORDERS_HOME": str(tmp_path)}
    shown = installed(
        "-c", "from orders_pipeline.cli import main; main()", "connections", "kinds", "acme", "--json", **home
    )
    assert shown.returncode == 0, shown.stderr
    kind = json.loads(shown.stdout)
    assert [(each["name"], each["is_required"], each["lifetime_days"]) for each in kind["credentials"]] == [
        ("api_key", True, 90),
        ("signing_key", False, None),
    ]
    assert kind["settings"]["properties"]["page_size"]["maximum"] == 50
    nodes = (
        "from orders_pipeline.definitions import build_defs; "
        "graph = build_defs().resolve_asset_graph(); "
        "from dagster import AssetKey; "
        "print(sorted(key.path[0] for key in graph.get(AssetKey('raw_orders')).parent_keys))"
    )
    lineage = installed("-c", nodes)
    assert lineage.returncode == 0, lineage.stderr
    assert "acme" in lineage.stdout


def test_a_file_is_checked_by_what_the_package_says(installed, tmp_path):
    home = {"ORDERS_HOME": str(tmp_path / "home")}
    file = tmp_path / "orders.yaml"
    file.write_text(
        "connections:\n"
        "  acme: {kind: acme, endpoint: https://acme.example, settings: {page_sise: 9}, credentials: {apikey: env:K}}\n"
        "channels: {north: {connection: acme}}\n"
    )
    run = ("-c", "from orders_pipeline.cli import main; main()", "apply", "-f", str(file))
    refused = installed(*run, **home)
    assert refused.returncode != 0
    assert "did you mean 'page_size'" in refused.stderr
    assert "did you mean 'api_key'" in refused.stderr
