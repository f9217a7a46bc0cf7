"""deploy/: its files parse, what they run is a command that lampion takes, what the dashboard asks for is exported."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from server.conftest import build, serve  # fixtures

from lampion_server.commands import SERVE, check_ray
from lampion_server.routes import ROUTES
from lampion_server.settings import Settings

__all__ = ["build", "serve"]

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose"
DASHBOARD = json.loads((COMPOSE / "grafana" / "dashboards" / "lampion.json").read_text())
DOCUMENT = (ROOT / "docs" / "deploy.md").read_text()
DOCUMENTS = [
    (path.relative_to(DEPLOY).as_posix(), document)
    for path in sorted(DEPLOY.rglob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def containers(node: Any) -> Iterator[Any]:
    """Every container of ours, wherever it stands."""
    if isinstance(node, dict):
        if str(node.get("image", "")).startswith("lampion:"):
            yield node
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from containers(child)


OURS = [(name, container) for name, document in DOCUMENTS for container in containers(document)]


def test_there_is_one_in_each() -> None:
    assert [name for name, _ in OURS] == [
        "compose/docker-compose.yaml",
        "kserve/serving-runtime.yaml",
        "kubernetes/lampion.yaml",
    ]


@pytest.mark.parametrize(("name", "container"), OURS)
def test_its_arguments_are_settings(name: str, container: Any) -> None:
    parser = argparse.ArgumentParser()
    SERVE.arguments(parser)
    settings = Settings.read(parser.parse_args(container.get("args") or container["command"]), {})
    assert (settings.host, len(settings.models)) == ("0.0.0.0", 1)
    check_ray(settings)
    ports = [
        port["containerPort"] if isinstance(port, dict) else int(port.split(":")[-1]) for port in container["ports"]
    ]
    assert ports == [settings.port]
    mounts = [*container.get("volumeMounts", ()), *(v.split(":")[1] for v in container.get("volumes", ()))]
    if mounts:
        assert settings.models[0] in [mount["mountPath"] if isinstance(mount, dict) else mount for mount in mounts]


@pytest.mark.parametrize(("name", "container"), OURS)
def test_it_has_time_to_end(name: str, container: Any) -> None:
    if "kubernetes" in name:
        pod = DOCUMENTS[[name for name, _ in DOCUMENTS].index(name)][1]["spec"]["template"]["spec"]
        pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pod["terminationGracePeriodSeconds"] > pause + Settings().drain_timeout
    if "compose" in name:
        assert int(container["stop_grace_period"].removesuffix("s")) > Settings().drain_timeout


@pytest.mark.parametrize("probe", ["startupProbe", "livenessProbe", "readinessProbe"])
def test_probes_are_routes(probe: str) -> None:
    paths = [container[probe]["httpGet"]["path"] for _, container in OURS if probe in container]
    assert paths
    assert set(paths) <= {route.path for route in ROUTES if route.scope == ""}


def test_it_runs_as_the_image_does() -> None:
    (user, group) = re.findall(r"USER (\d+):(\d+)", DOCKERFILE)[0]
    pod = next(document for _, document in DOCUMENTS if document.get("kind") == "Deployment")["spec"]["template"][
        "spec"
    ]
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]) == (int(user), int(group))


def test_kubernetes_names_belong_together() -> None:
    of_kind = {document["kind"]: document for name, document in DOCUMENTS if name.startswith("kubernetes")}
    labels = of_kind["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert of_kind["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert of_kind["Service"]["spec"]["selector"] == labels
    assert of_kind["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    annotations = of_kind["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/path"] in [route.path for route in ROUTES]


def test_kubernetes_tells_no_settings_of_its_own() -> None:
    """It names every service in the environment, by what looks like a setting for one called lampion."""
    (pod,) = (document["spec"]["template"]["spec"] for _, document in DOCUMENTS if document.get("kind") == "Deployment")
    assert pod["enableServiceLinks"] is False


def test_kserve_names_belong_together() -> None:
    of_kind = {document["kind"]: document for name, document in DOCUMENTS if name.startswith("kserve")}
    runtime, model = of_kind["ServingRuntime"], of_kind["InferenceService"]["spec"]["predictor"]["model"]
    assert model["runtime"] == runtime["metadata"]["name"]
    assert model["protocolVersion"] in runtime["spec"]["protocolVersions"]
    formats = [{key: one[key] for key in ("name", "version")} for one in runtime["spec"]["supportedModelFormats"]]
    assert model["modelFormat"] in formats


def test_compose_mounts_what_is_there() -> None:
    compose = yaml.safe_load((COMPOSE / "docker-compose.yaml").read_text())
    named = compose["volumes"]
    for service in compose["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in named or (COMPOSE / source).exists()
        for port in service["ports"]:
            assert port.startswith("127.0.0.1:")
    home = compose["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    (provider,) = yaml.safe_load((COMPOSE / "grafana" / "provisioning" / "dashboards" / "lampion.yaml").read_text())[
        "providers"
    ]
    assert Path(home).parent == Path(provider["options"]["path"])
    (job,) = yaml.safe_load((COMPOSE / "prometheus.yaml").read_text())["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    assert target == "lampion:8000"
    (source,) = yaml.safe_load((COMPOSE / "grafana" / "provisioning" / "datasources" / "prometheus.yaml").read_text())[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"
    assert (
        source["uid"]
        == next(v for v in DASHBOARD["templating"]["list"] if v["name"] == "datasource")["current"]["value"]
    )


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from (
        variable["query"]["query"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query"
    )


@pytest.fixture(scope="module")
def exported(serve: Any, build: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The labels of each series that a server exports which has been asked."""
    folder = tmp_path_factory.mktemp("models")
    build.digits(folder / "digits.onnx")
    (folder / "broken.onnx").write_bytes(b"")
    with serve(folder, tune_seconds=0) as server:
        assert server.client.post("/v1/models/digits/predict", content=build.photo()).status_code == 200
        text = server.client.get("/metrics").text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {sample.name: set(sample.labels) for sample in samples}


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_what_the_dashboard_asks_for_is_exported(exported: dict[str, set[str]], expression: str) -> None:
    named = set(re.findall(r"\b(lampion_\w+)", expression))
    assert named
    assert named <= exported.keys()
    labels = set(re.findall(r"(\w+)=~", expression))
    labels |= {label for listed in re.findall(r"by \(([^)]*)\)", expression) for label in listed.split(", ")}
    for name in named:
        assert labels <= exported[name] | {"le"}


def test_the_dashboard_shows_every_metric(exported: dict[str, set[str]]) -> None:
    shown = " ".join(expressions())
    families = {
        re.sub(r"_(total|bucket|sum|count|created)$", "", name) for name in exported if name.startswith("lampion_")
    }
    assert {family for family in families if family not in shown} == set()


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(x + place["x"], y + place["y"]) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_the_document_names_what_is_there() -> None:
    named = set(re.findall(r"deploy/[\w./-]+\.yaml", DOCUMENT))
    assert named >= {f"deploy/{path}" for path in ("kubernetes/lampion.yaml", "kserve/serving-runtime.yaml")}
    for path in named:
        assert (ROOT / path).is_file(), path
