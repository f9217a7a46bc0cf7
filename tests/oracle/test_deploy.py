"""deploy/ beside the schemas of those who read it: Kubernetes' own, KServe's classes, the Compose specification."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import compose_spec
import kserve
import kubernetes_validate
import pytest
import yaml
from kubernetes import client

DEPLOY = Path(__file__).parents[2] / "deploy"
KUBERNETES = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "lampion.yaml").read_text()))
KSERVE = {
    "serving-runtime.yaml": kserve.V1alpha1ServingRuntime,
    "inference-service.yaml": kserve.V1beta1InferenceService,
}


@pytest.mark.parametrize("manifest", KUBERNETES, ids=lambda manifest: manifest["kind"])
@pytest.mark.parametrize("version", ["1.30", "1.33", "1.37"])
def test_kubernetes(manifest: Any, version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("name", KSERVE)
def test_kserve(name: str) -> None:
    check(yaml.safe_load((DEPLOY / "kserve" / name).read_text()), KSERVE[name].__name__, "")


def check(value: Any, kind: str, path: str) -> None:
    """Every key is one of the class's, and every value of its type, all the way down."""
    if found := re.fullmatch(r"[Ll]ist\[(.*)\]", kind):
        assert isinstance(value, list), path
        for index, one in enumerate(value):
            check(one, found[1], f"{path}[{index}]")
    elif found := re.fullmatch(r"[Dd]ict[([]str, (.*)[)\]]", kind):
        assert isinstance(value, dict), path
        for key, one in value.items():
            check(one, found[1], f"{path}.{key}")
    elif (model := getattr(kserve, kind, None) or getattr(client, kind, None)) is not None:
        names = {shown: name for name, shown in model.attribute_map.items()}
        for key, one in value.items():
            assert key in names, f"{path}.{key}: expected one of {', '.join(names)}"
            check(one, model.openapi_types[names[key]], f"{path}.{key}")
    else:
        expected = {"str": str, "int": int, "bool": bool, "float": (int, float), "object": object}[kind]
        assert isinstance(value, expected), f"{path}: expected {kind}, got {value!r}"


def test_compose() -> None:
    text = (DEPLOY / "compose" / "docker-compose.yaml").read_text()
    compose = compose_spec.PyOptions().from_yaml(text)
    compose.validate()
    assert sorted(compose.service_names()) == ["grafana", "lampion", "prometheus"]
    with pytest.raises(Exception, match="restrat"):  # what it doesn't know it refuses
        compose_spec.PyOptions().from_yaml(text.replace("restart:", "restrat:", 1))
