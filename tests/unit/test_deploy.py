from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from connector.service.life import CLOSE_TIMEOUT_S
from connector.service.loading import load
from connector.simulator.faults import Faults
from tests.containers import KAFKA_IMAGE, REGISTRY_IMAGE

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
MANIFESTS = sorted(path.name for path in (DEPLOY / "kubernetes").glob("*.yaml") if path.name != "kustomization.yaml")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def _yaml(path: str) -> Any:
    return yaml.safe_load((DEPLOY / path).read_text())


@pytest.fixture
def settings() -> Any:
    """The sample settings."""
    return _yaml("connector.yaml")


@pytest.fixture
def pod() -> Any:
    """What the Deployment says of each pod."""
    return _yaml("kubernetes/deployment.yaml")["spec"]["template"]


@pytest.fixture
def container(pod: Any) -> Any:
    """The only container of the pod."""
    (container,) = pod["spec"]["containers"]
    return container


@pytest.fixture
def compose() -> Any:
    """The services of the compose file."""
    return _yaml("compose.yaml")["services"]


def _seconds(text: str) -> int:
    assert text.endswith("s")
    return int(text.removesuffix("s"))


# 1.31 is the oldest in which all that the manifests say is stable; the schemas known here end with the newest.
@pytest.mark.parametrize("version", ["1.31", "1.37"])
@pytest.mark.parametrize("name", MANIFESTS)
def test_every_manifest_is_valid_for_kubernetes(name: str, version: str) -> None:
    """No manifest holds a key or a type that the Kubernetes interface does not have."""
    assert kubernetes_validate.validate(_yaml(f"kubernetes/{name}"), version, strict=True) == version


def test_kustomize_applies_every_manifest_but_the_example_of_the_secret() -> None:
    """`kubectl apply -k` forgets none, and never overwrites the real token with the placeholder."""
    assert _yaml("kubernetes/kustomization.yaml")["resources"] == [n for n in MANIFESTS if n != "secret.example.yaml"]


@pytest.mark.parametrize("name", MANIFESTS)
def test_no_manifest_names_a_namespace(name: str) -> None:
    """Where it goes is said when it is applied."""
    assert "namespace" not in _yaml(f"kubernetes/{name}")["metadata"]


def test_the_config_map_holds_the_sample_settings() -> None:
    """Compose and Kubernetes run with the same settings, comments included."""
    assert _yaml("kubernetes/configmap.yaml")["data"] == {"connector.yaml": (DEPLOY / "connector.yaml").read_text()}


def test_the_connector_of_compose_accepts_its_settings(compose: Any) -> None:
    """The file and the variables of the compose file are settings without a mistake."""
    settings = load(DEPLOY / "connector.yaml", compose["connector"]["environment"])
    assert settings.target.base_url == "http://127.0.0.1:8081"


def test_the_connector_of_kubernetes_accepts_its_settings(container: Any, tmp_path: Path) -> None:
    """The file and the variables of the Deployment are settings without a mistake, once the token is there."""
    token = tmp_path / "token"
    token.write_text("planted")
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    settings = load(DEPLOY / "connector.yaml", environment | {"CONNECTOR_TARGET__TOKEN_FILE": str(token)})
    assert settings.target.token_file == token
    assert settings.target.base_url == "https://acme.tt.omtrdc.net"


def test_the_manifests_name_the_version_of_the_project() -> None:
    """A release changes the version everywhere or nowhere."""
    kustomization = _yaml("kubernetes/kustomization.yaml")
    deployment = (DEPLOY / "kubernetes/deployment.yaml").read_text()
    assert [image["newTag"] for image in kustomization["images"]] == [VERSION]
    assert f"image: target-connector:{VERSION}\n" in deployment


def test_kubernetes_waits_longer_than_a_stop_takes(pod: Any, settings: Any) -> None:
    """A pod that drains, or whose call is on the wire, is not killed; nor while it commits and leaves the group."""
    assert pod["spec"]["terminationGracePeriodSeconds"] >= _longest_stop_s(settings) + 5


def test_compose_waits_longer_than_a_stop_takes(compose: Any, settings: Any) -> None:
    """`docker compose stop` kills no connector that drains either."""
    assert _seconds(compose["connector"]["stop_grace_period"]) >= _longest_stop_s(settings) + 5


def _longest_stop_s(settings: Any) -> float:
    timeout_s = _seconds(settings["target"].get("timeout", "60s"))
    return _seconds(settings["service"]["drain"]) + timeout_s + CLOSE_TIMEOUT_S


def test_the_pod_may_do_next_to_nothing(pod: Any, container: Any) -> None:
    """No root, no capability, no write access but to /tmp, no token of Kubernetes' own."""
    spec = pod["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")] == ["/tmp"]  # noqa: S108  the mount, no file


def test_kubernetes_sets_no_variable_that_the_connector_would_refuse(pod: Any) -> None:
    """A Service named `connector` must not keep the pods from starting by its CONNECTOR_… variables."""
    assert pod["spec"]["enableServiceLinks"] is False


def test_the_probes_ask_what_they_should(container: Any, settings: Any) -> None:
    """Only being dead restarts a pod; not being ready takes it out of service alone."""
    assert {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")} == {
        "startupProbe": {"path": "/livez", "port": "http"},
        "livenessProbe": {"path": "/livez", "port": "http"},
        "readinessProbe": {"path": "/readyz", "port": "http"},
    }
    assert container["ports"] == [{"name": "http", "containerPort": settings["service"]["port"]}]


def test_every_volume_of_the_pod_is_mounted_and_the_files_are_where_the_command_looks(pod: Any, container: Any) -> None:
    """The settings and the token are read from where they are mounted."""
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    assert mounts.keys() == {volume["name"] for volume in pod["spec"]["volumes"]}
    assert container["args"] == ["run", "--config", f"{mounts['settings']}/connector.yaml"]
    assert environment["CONNECTOR_TARGET__TOKEN_FILE"] == f"{mounts['token']}/token"


def test_the_token_in_the_mounted_secret_is_the_one_of_the_example(pod: Any) -> None:
    """Whoever follows the example gets a Secret that the Deployment finds."""
    secret = _yaml("kubernetes/secret.example.yaml")
    (volume,) = (volume for volume in pod["spec"]["volumes"] if volume["name"] == "token")
    assert volume["secret"]["secretName"] == secret["metadata"]["name"]
    assert secret["stringData"] == {"token": "REPLACE-ME"}


def test_the_selectors_find_the_pods(pod: Any) -> None:
    """Deployment, Service and PodDisruptionBudget mean the pods that there are."""
    labels = pod["metadata"]["labels"]
    assert _yaml("kubernetes/deployment.yaml")["spec"]["selector"]["matchLabels"] == labels
    assert _yaml("kubernetes/poddisruptionbudget.yaml")["spec"]["selector"]["matchLabels"] == labels
    assert _yaml("kubernetes/service.yaml")["spec"]["selector"] == labels


def test_each_replica_is_scraped_by_itself_also_when_it_is_not_ready(settings: Any) -> None:
    """Metrics of a replica in trouble are not lost."""
    service = _yaml("kubernetes/service.yaml")
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["metadata"]["annotations"]["prometheus.io/port"] == str(settings["service"]["port"])


def test_compose_runs_what_the_tests_test(compose: Any) -> None:
    """The broker and the registry of the compose file are those of the integration tests."""
    assert (compose["kafka"]["image"], compose["registry"]["image"]) == (KAFKA_IMAGE, REGISTRY_IMAGE)


@pytest.mark.parametrize("name", ["target", "feed", "connector"])
def test_compose_never_pulls_our_image(compose: Any, name: str) -> None:
    """What runs is what was built here, by the one service that builds."""
    assert compose[name]["pull_policy"] == "never"
    assert compose[name]["image"] == compose["target"]["image"]
    assert ("build" in compose[name]) == (name == "target")


@pytest.mark.parametrize("page", ["README.md", "compose.yaml"])
def test_whoever_takes_compose_down_keeps_nothing(page: str) -> None:
    """Kafka's image declares volumes, which a plain `down` leaves on the machine."""
    commands = re.findall(r"compose\.yaml (down[^`]*)`", (DEPLOY / page).read_text())
    assert commands == ["down --volumes"]


def test_the_readme_gives_the_ports_that_compose_publishes(compose: Any) -> None:
    """Each address in the README answers, and no open port goes untold."""
    published = {port.split(":")[1] for service in compose.values() for port in service.get("ports", [])}
    told = re.findall(r"^\| \S*?(?:127\.0\.0\.1|localhost):(\d+)", (DEPLOY / "README.md").read_text(), re.MULTILINE)
    assert set(told) == published


def test_the_fault_of_the_readme_is_one_that_the_simulator_takes() -> None:
    """The command to make Target fail is not refused."""
    (body,) = re.findall(r"/simulator/faults -d '(.*)'", (DEPLOY / "README.md").read_text())
    faults = Faults(lambda: 0.0)
    faults.read(json.loads(body))
    assert len(faults.active()) == 1


def test_compose_is_open_to_this_machine_only(compose: Any) -> None:
    """No port is published to the network."""
    ports = [port for service in compose.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", ["target", "feed", "connector"])
def test_compose_locks_our_containers_up(compose: Any, name: str) -> None:
    """What Kubernetes forbids the connector, Compose forbids it too."""
    service = compose[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_connector_of_compose_reaches_the_simulator_by_loopback(compose: Any) -> None:
    """Plain http is for loopback addresses alone, so the two share a network."""
    assert compose["connector"]["network_mode"] == "service:target"
    assert compose["connector"]["environment"]["CONNECTOR_TARGET__BASE_URL"] == "http://127.0.0.1:8081"
    assert compose["target"]["command"][-1] == "8081"
    assert "ports" not in compose["connector"]
