"""What `deploy/` names is there: settings, commands, ports, paths, secrets; and its parts agree with each other."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import yaml

from orders_api.app import create_app
from orders_pipeline.cli import COMMANDS
from tests.deploy.conftest import DEPLOY, ROOT
from warehouse.settings import Settings

OURS = {f"ORDERS_{name.upper()}" for name in Settings.model_fields}
OTHERS = {
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL_S3"),
    *("POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD_FILE"),
    *("DAGSTER_HOME", "PYTHONPATH", "PYTHONUNBUFFERED", "PATH"),
    *("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"),
}
OF_COMPOSE = {"ORDERS_IMAGE"}
"""What compose.yaml asks its own environment for."""
PROGRAMS = {"dagster-daemon", "dagster-webserver"}
USER = 10001
SCRATCH = "/tmp"  # noqa: S108 - of a container


def pods(manifests):
    """(name, spec of the pod) of everything that runs."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]
        for each in manifests
        if "template" in each.get("spec", {})
    }


def containers(manifests):
    return {name: spec["containers"][0] for name, spec in pods(manifests).items()}


def of_kind(manifests, kind):
    return [each for each in manifests if each["kind"] == kind]


def queue_of_runs() -> str:
    """Where the launcher of `dagster-celery.yaml` puts runs."""
    instance = yaml.safe_load((DEPLOY / "dagster-celery.yaml").read_text())
    return instance["run_launcher"]["config"]["default_queue"]


def check_command(command):
    """The program, the command, and the module are there."""
    assert (Path(sys.executable).parent / command[0]).exists(), command
    if command[0] == "orders":
        assert command[1] in COMMANDS
        assert set(command[2:]) <= {"--only", "api", "console", "--workers", "2"}
    elif command[0] == "celery":
        assert command[1:6] == ["-A", "dagster_celery.app", "worker", "-Q", queue_of_runs()]
    else:
        assert command[0] in PROGRAMS
        assert command[command.index("-m") + 1] == "orders_pipeline.definitions"


def test_settings_are_settings_of_ours(compose, manifests, dockerfile):
    named = {name for each in compose["services"].values() for name in each.get("environment", ())}
    for each in of_kind(manifests, "ConfigMap"):
        named |= set(each["data"])
    named |= set(re.findall(r"^(?:ENV| {4})\s*([A-Z_]+)=", dockerfile, re.MULTILINE))
    for unit in DEPLOY.glob("systemd/*.service"):
        named |= set(re.findall(r"\b(ORDERS_[A-Z_]+)=", unit.read_text()))
    assert named - OURS - OTHERS == set()
    text = "".join(path.read_text() for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".pyc")
    assert set(re.findall(r"\bORDERS_[A-Z0-9_]+\b", text)) - OURS - OF_COMPOSE == set()


def test_values_are_valid_settings(manifests, monkeypatch, tmp_path):
    for each in of_kind(manifests, "ConfigMap"):
        for name, value in each["data"].items():
            monkeypatch.setenv(name, str(tmp_path) if name == "ORDERS_SECRETS_DIR" else value)
    assert Settings(_env_file=None).migrate == "never"


def test_commands_are_commands_of_ours(compose, manifests, dockerfile):
    for each in compose["services"].values():
        if "orders" in each["image"]:
            check_command(each["command"])
    for each in containers(manifests).values():
        if each["image"].partition(":")[0].endswith("orders-syndication"):
            check_command(each["command"])
    assert 'CMD ["orders", "api"]' in dockerfile
    for unit in DEPLOY.glob("systemd/*.service"):
        line = re.search(r"^ExecStart=/opt/orders/.venv/bin/(.+)$", unit.read_text(), re.MULTILINE)[1]
        check_command(shlex.split(line))


def test_compose_and_kubernetes_run_the_same(compose, manifests):
    theirs = {name: each["command"] for name, each in compose["services"].items() if "orders" in each["image"]}
    ours = {name.removeprefix("orders-"): each["command"] for name, each in containers(manifests).items()}
    assert {name: ours[name] for name in theirs if name in ours} == {
        name: theirs[name] for name in theirs if name in ours
    }
    assert set(ours) <= {*theirs, "redis"}
    if "worker" in ours:
        assert set(ours) == {*theirs, "redis"}


def test_probes_and_ports_are_those_of_the_api(manifests, compose, settings):
    paths = {*create_app(settings).openapi()["paths"], "/server_info"}
    port = Settings.model_fields["api_port"].default
    for name, each in containers(manifests).items():
        probes = [each[kind] for kind in ("startupProbe", "livenessProbe", "readinessProbe") if kind in each]
        assert all(probe["httpGet"]["path"] in paths for probe in probes if "httpGet" in probe)
        if name in {"orders-api", "orders-console"}:
            assert [probe["httpGet"]["path"] for probe in probes] == ["/healthz", "/healthz", "/readyz"]
            assert each["ports"][0]["containerPort"] == port
    assert compose["services"]["api"]["ports"][0].endswith(f":{port}")
    assert f"127.0.0.1:{port}/readyz" in compose["services"]["api"]["healthcheck"]["test"][-1]


def test_a_process_has_time_to_wait_for_the_schema(manifests):
    for each in containers(manifests).values():
        probe = each.get("startupProbe")
        if probe is not None:
            assert (
                probe["periodSeconds"] * probe["failureThreshold"]
                > Settings.model_fields["migrate_wait_seconds"].default
            )


def test_nothing_has_more_rights_than_it_needs(manifests, compose, dockerfile):
    for name, spec in pods(manifests).items():
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not spec["automountServiceAccountToken"], name
        container = spec["containers"][0]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert {"memory"} <= set(container["resources"]["limits"]), name
        if "orders-syndication" in container["image"]:
            assert spec["securityContext"]["runAsUser"] == USER, name
            assert {each["mountPath"] for each in container["volumeMounts"]} >= {"/var/lib/orders", SCRATCH}, name
    for name, each in compose["services"].items():
        if "orders" in each["image"]:
            assert each["read_only"], name
            assert (each["cap_drop"], each["tmpfs"]) == (["ALL"], [SCRATCH]), name
    assert f"USER {USER}:{USER}" in dockerfile
    assert "STOPSIGNAL SIGTERM" in dockerfile


def test_secrets_are_files_and_none_is_here(compose, manifests):
    assert {Path(each["file"]).parent.name for each in compose["secrets"].values()} == {"secrets"}
    assert of_kind(manifests, "Secret") == []
    for name, spec in pods(manifests).items():
        volumes = {each["name"]: each for each in spec.get("volumes", ())}
        assert name == "orders-redis" or volumes["secrets"]["secret"]["secretName"] == "orders", name
    for each in compose["services"].values():
        assert set(each.get("secrets", ())) <= set(compose["secrets"])
        values = {
            name: value for name, value in each.get("environment", {}).items() if re.search("PASSWORD|SECRET|KEY", name)
        }
        assert all(value.startswith(("/run/secrets", "${")) for value in values.values()), values


def test_there_is_one_daemon_and_never_a_second(manifests):
    [daemon] = [each for each in of_kind(manifests, "Deployment") if each["metadata"]["name"] == "orders-daemon"]
    assert (daemon["spec"]["replicas"], daemon["spec"]["strategy"]) == (1, {"type": "Recreate"})
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in of_kind(manifests, "HorizontalPodAutoscaler")}
    assert scaled <= {"orders-api", "orders-worker"}


def test_a_stop_leaves_time_for_what_is_under_way(manifests, compose):
    served = pods(manifests)["orders-api"]
    assert served["terminationGracePeriodSeconds"] >= 5 + 25 + 5
    assert served["containers"][0]["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "5"]
    assert compose["services"]["api"]["stop_grace_period"] == "40s"


def test_selectors_find_their_pods(manifests):
    labelled = [
        each["spec"]["template"]["metadata"]["labels"] for each in manifests if "template" in each.get("spec", {})
    ]
    for each in [
        *of_kind(manifests, "Service"),
        *of_kind(manifests, "PodDisruptionBudget"),
        *of_kind(manifests, "Deployment"),
    ]:
        selector = each["spec"]["selector"]
        wanted = selector.get("matchLabels", selector)
        assert any(wanted.items() <= found.items() for found in labelled), each["metadata"]["name"]


def test_the_image_has_all_of_the_product(dockerfile):
    copied = {
        name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE) for name in line.split()
    }
    assert all((ROOT / name).exists() for name in copied)
    assert copied >= {"warehouse", "orders_api", "orders_pipeline", "deploy/requirements.txt", "dagster.yaml"}
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert all(any(Path(name).is_relative_to(each) for each in let_in) for name in copied)
    assert re.search(r"^ARG BASE=python:3\.\d+-slim-bookworm$", dockerfile, re.MULTILINE)
    assert "sha256:" not in re.sub(r"^#.*$", "", dockerfile, flags=re.MULTILINE)


def test_the_image_has_the_versions_of_everybody_else():
    own, theirs = (
        dict(re.findall(r"^([\w.\-]+)(?:\[.*\])?==(\S+)", path.read_text(), re.MULTILINE))
        for path in (DEPLOY / "requirements.txt", ROOT / "requirements.txt")
    )
    assert {name: own.get(name) for name in theirs} == theirs
    assert {"dagster-celery", "dagster-k8s", "redis"} <= set(own)


def test_workers_and_daemon_find_the_instance_and_the_configuration_of_celery(compose, dockerfile):
    copied = dict(re.findall(r"^COPY (deploy/\S+) (\S+)$", dockerfile, re.MULTILINE))
    folder = compose["services"]["worker"]["environment"]["DAGSTER_HOME"]
    assert copied["deploy/dagster-celery.yaml"] == f"{folder}/dagster.yaml"
    assert copied["deploy/celery/dagster_celery_config.py"] == f"{folder}/"
    for name in ("daemon", "webserver", "worker"):
        environment = compose["services"][name]["environment"]
        assert (environment["DAGSTER_HOME"], environment["PYTHONPATH"]) == (folder, folder)
        assert {"CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"} <= set(environment)
