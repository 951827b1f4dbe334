"""The instances of Dagster for several machines: their launchers are made, and all else is as in `dagster.yaml`."""

from __future__ import annotations

import dagster as dg
import pytest
import yaml
from dagster._config import process_config
from dagster._core.instance.ref import InstanceRef
from dagster_celery.launcher import CeleryRunLauncher
from dagster_k8s.launcher import K8sRunLauncher

from tests.deploy.conftest import DEPLOY, ROOT

GIVEN = {
    "CELERY_BROKER_URL": "redis://127.0.0.1/0",
    "CELERY_RESULT_BACKEND": "redis://127.0.0.1/1",
    "RUNS_NAMESPACE": "orders",
    "RUNS_IMAGE": "orders-syndication:1",
}


@pytest.fixture
def given(monkeypatch, tmp_path):
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ORDERS_HOME", str(tmp_path))


def test_celery_carries_out_runs(given, tmp_path):
    ref = InstanceRef.from_dir(str(tmp_path), config_dir=str(DEPLOY), config_filename="dagster-celery.yaml")
    with dg.DagsterInstance.from_ref(ref) as instance:
        launcher = instance.run_launcher
        assert isinstance(launcher, CeleryRunLauncher)
        assert (launcher.broker, launcher.default_queue) == (GIVEN["CELERY_BROKER_URL"], "dagster")


def test_kubernetes_carries_out_runs(given, tmp_path):
    ref = InstanceRef.from_dir(str(tmp_path), config_dir=str(DEPLOY), config_filename="dagster-k8s.yaml")
    assert ref.run_launcher_data is not None
    assert ref.run_launcher_data.class_name == K8sRunLauncher.__name__
    config = yaml.safe_load(ref.run_launcher_data.config_yaml)
    checked = process_config(K8sRunLauncher.config_type(), config)  # the launcher itself wants a cluster at once
    assert checked.success, checked.errors


@pytest.mark.parametrize("name", ["dagster-celery.yaml", "dagster-k8s.yaml"])
def test_all_else_is_as_on_one_machine(name):
    one, many = (yaml.safe_load(path.read_text()) for path in (ROOT / "dagster.yaml", DEPLOY / name))
    del many["run_launcher"], one["concurrency"]["runs"], many["concurrency"]["runs"]
    assert many == one
