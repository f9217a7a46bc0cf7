"""deploy/ beside the schemas of those who read it: Kubernetes' own, KServe's classes, the Compose specification."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import compose_spec
import kubernetes_validate
import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
KUBERNETES = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "lampion.yaml").read_text()))
KSERVE = {"serving-runtime.yaml": "V1alpha1ServingRuntime", "inference-service.yaml": "V1beta1InferenceService"}


@pytest.mark.parametrize("manifest", KUBERNETES, ids=lambda manifest: manifest["kind"])
@pytest.mark.parametrize("version", ["1.30", "1.33", "1.37"])
def test_kubernetes(manifest: Any, version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize(("name", "kind"), KSERVE.items())
def test_kserve(name: str, kind: str) -> None:
    done = checked(DEPLOY / "kserve" / name, kind)
    assert done.returncode == 0, done.stderr[-2000:]


def test_what_kserve_does_not_know_is_found(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("spec: {containerz: []}")
    assert "containerz: expected one of" in checked(tmp_path / "wrong.yaml", "V1alpha1ServingRuntime").stderr


def checked(manifest: Path, kind: str) -> subprocess.CompletedProcess[str]:
    script = Path(__file__).with_name("kserve_manifests.py")
    command = [sys.executable, "-W", "ignore", script, manifest, kind]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_compose() -> None:
    text = (DEPLOY / "compose" / "docker-compose.yaml").read_text()
    compose = compose_spec.PyOptions().from_yaml(text)
    compose.validate()
    assert sorted(compose.service_names()) == ["grafana", "lampion", "prometheus"]
    with pytest.raises(Exception, match="restrat"):  # what it doesn't know it refuses
        compose_spec.PyOptions().from_yaml(text.replace("restart:", "restrat:", 1))
