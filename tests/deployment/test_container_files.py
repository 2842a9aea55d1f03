"""The files that an engine would read, held to their own rules: compose.yaml, Dockerfile, unit, manifest, Procfile."""

from __future__ import annotations

import configparser
import ipaddress
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from reaktor.config.environment import config_from, variables
from reaktor.config.model import Cluster, EngineIO, NativeTimings

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {variable.name for variable in variables()}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text()))


@pytest.fixture(scope="module")
def dockerfile() -> list[tuple[str, list[str]]]:
    """(instruction, words) in order."""
    text = re.sub(r"\\\n", " ", re.sub(r"(?m)^#.*\n", "", (ROOT / "docker/Dockerfile").read_text()))
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(instruction, shlex.split(rest)) for instruction, rest in lines]


def seconds(text: str) -> float:
    return float(text.removesuffix("s")) if text.endswith("s") else float(text.removesuffix("min")) * 60


def env_file(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def longest_end_s() -> float:
    """How long an orderly stop may take: draining with its margin, then the wait between SIGTERM and SIGKILL."""
    return Cluster().drain_s + 2 + Cluster().term_timeout_s


def cores(text: str) -> float:
    return float(text.removesuffix("m")) / 1000 if text.endswith("m") else float(text)


# compose.yaml


def test_every_service_comes_with_what_it_needs(compose: dict[str, Any]) -> None:
    services, networks, volumes = compose["services"], compose["networks"], compose["volumes"]
    assert set(services) == {"reaktor", "postgres", "redis", "proxy"}
    for name, service in services.items():
        assert ("image" in service) or ("build" in service), name
        assert service["restart"] == "unless-stopped"
        assert set(service["networks"]) <= set(networks)
        assert set(service.get("depends_on", {})) <= set(services)
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in volumes or (ROOT / source).exists(), volume
        for needed in service.get("depends_on", {}):
            found = services[needed]
            assert "healthcheck" in found or "build" in found, f"{name} waits for the health of {needed}"
    assert services["proxy"]["profiles"] == ["proxy"]


def test_the_server_is_confined_and_has_time_to_end(compose: dict[str, Any]) -> None:
    server = compose["services"]["reaktor"]
    assert server["read_only"] is True
    assert server["init"] is True
    assert (server["cap_drop"], server["tmpfs"], server["volumes"]) == (["ALL"], ["/tmp"], ["data:/data"])
    assert seconds(server["stop_grace_period"]) > longest_end_s()
    assert server["ports"] == ["127.0.0.1:8000:8000"], "clear text stays on this machine"
    assert compose["networks"]["back"]["internal"] is True
    assert [name for name, each in compose["services"].items() if "ports" in each] == ["reaktor", "proxy"]


def test_redis_keeps_nothing(compose: dict[str, Any]) -> None:
    assert compose["services"]["redis"]["command"] == ["redis-server", "--save", "", "--appendonly", "no"]


def test_its_settings_are_the_servers_and_fit_each_other(compose: dict[str, Any]) -> None:
    services = compose["services"]
    given = env_file(ROOT / services["reaktor"]["env_file"])
    assert {*given, *services["reaktor"]["environment"]} <= SETTINGS
    config = config_from({**given, "DATABASE_URL": services["reaktor"]["environment"]["DATABASE_URL"]})
    assert config.redis is not None
    assert config.redis.url == "redis://redis:6379/0"
    assert "@postgres:5432/" in config.database_url
    # The one address that is believed is the proxy's, on the network of both.
    subnet = ipaddress.ip_network(compose["networks"]["front"]["ipam"]["config"][0]["subnet"])
    proxy, server = (services[name]["networks"]["front"]["ipv4_address"] for name in ("proxy", "reaktor"))
    assert config.cluster.trusted_proxies == (ipaddress.ip_network(proxy),)
    assert {ipaddress.ip_address(proxy), ipaddress.ip_address(server)} < set(subnet)


# Dockerfile


def test_the_image_is_built_in_two_stages_from_files_that_are_there(dockerfile: list[tuple[str, list[str]]]) -> None:
    assert [instruction for instruction, _ in dockerfile].count("FROM") == 2
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for instruction, words in dockerfile:
        if instruction != "COPY" or words[0].startswith("--from"):
            continue
        for source in words[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source.removeprefix('./')}" in ignored, f"{source} is kept from the build"


def test_the_image_runs_as_nobody_special_and_writes_to_its_volume(dockerfile: list[tuple[str, list[str]]]) -> None:
    found = dict(dockerfile)
    assert found["USER"] == ["10001:10001"]
    assert found["VOLUME"] == ["/data"]
    assert "DATA_DIR=/data" in found["ENV"]
    assert "DJANGO_SETTINGS_MODULE=reaktor.settings.production" in found["ENV"]
    assert found["STOPSIGNAL"] == ["SIGTERM"]
    assert "HEALTHCHECK" in found
    for name in ("entrypoint", "healthcheck"):
        assert (ROOT / "docker" / name).stat().st_mode & 0o111, f"{name} must be executable"
    secret = re.compile(r"SECRET|PASSWORD|TOKEN")
    assert not [
        words for instruction, words in dockerfile if instruction in ("ENV", "ARG") and secret.search(str(words))
    ]


# The proxy


def test_the_proxys_timeouts_are_above_the_heartbeat() -> None:
    text = (ROOT / "docker/nginx/nginx.conf").read_text()
    beat = max(
        NativeTimings().ping_interval_s + NativeTimings().pong_timeout_s,
        EngineIO().ping_interval_s + EngineIO().ping_timeout_s,
    )
    for name in ("proxy_read_timeout", "proxy_send_timeout"):
        match = re.search(rf"{name} (\w+);", text)
        assert match is not None
        assert seconds(match[1]) > beat


# systemd, Kubernetes, Procfile


def test_the_unit_is_hardened_and_has_time_to_end() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(ROOT / "deploy/reaktor.service")
    service = unit["Service"]
    assert service["User"] == "reaktor"
    assert seconds(service["TimeoutStopSec"]) > longest_end_s()
    assert service["KillMode"] == "mixed"
    for name in ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "RestrictNamespaces"):
        assert service[name] == "yes", name
    assert (service["ProtectSystem"], service["StateDirectory"]) == ("strict", "reaktor")
    assert "DATA_DIR=/var/lib/reaktor" in service["Environment"]


@pytest.fixture(scope="module")
def manifest() -> dict[tuple[str, str], dict[str, Any]]:
    """By kind and name."""
    objects = yaml.safe_load_all((ROOT / "deploy/kubernetes.yaml").read_text())
    return {(each["kind"], each["metadata"]["name"]): each for each in objects}


def test_a_pod_is_confined_probed_and_has_time_to_end(manifest: dict[tuple[str, str], dict[str, Any]]) -> None:
    pod = manifest["StatefulSet", "reaktor"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    before_s = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > before_s + longest_end_s()
    assert container["livenessProbe"]["httpGet"]["path"] == container["startupProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    # POD_IP is there for ADVERTISE alone.
    assert {each["name"].removesuffix("_FILE") for each in container["env"]} - SETTINGS == {"POD_IP"}
    assert {each["mountPath"] for each in container["volumeMounts"]} >= {"/data", "/tmp"}
    # Three workers and the supervisor were to share two cores, under a comment that gives each of them one.
    (workers,) = (int(each["value"]) for each in container["env"] if each["name"] == "WORKERS")
    assert cores(container["resources"]["requests"]["cpu"]) == workers + 1


def test_pods_are_hosts_of_one_chat(manifest: dict[tuple[str, str], dict[str, Any]]) -> None:
    spec = manifest["StatefulSet", "reaktor"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    (container,) = spec["template"]["spec"]["containers"]
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    given = {each["name"]: each for each in container["env"]}
    # A name and a directory of its own, an address that the other pods can connect to, and a port that is not clients'.
    assert given["HOST_NAME"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    assert given["POD_IP"]["valueFrom"]["fieldRef"]["fieldPath"] == "status.podIP"
    assert given["ADVERTISE"]["value"] == f"$(POD_IP):{ports['hosts']}"
    names = list(given)
    assert names.index("POD_IP") < names.index("ADVERTISE"), "only what stands before is put in"
    config_from({"ADVERTISE": given["ADVERTISE"]["value"].replace("$(POD_IP)", "10.0.0.5"), "PORT": str(ports["http"])})
    assert {each["name"]: set(each) - {"name"} for each in spec["template"]["spec"]["volumes"]}["data"] == {"emptyDir"}
    # One of them may be away, by will or by accident.
    assert spec["replicas"] > 1
    assert manifest["PodDisruptionBudget", "reaktor"]["spec"]["maxUnavailable"] == 1
    assert spec["updateStrategy"]["type"] == "RollingUpdate"
    (spread,) = spec["template"]["spec"]["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    # All objects mean the same pods.
    assert spec["serviceName"] == manifest["Service", "reaktor-hosts"]["metadata"]["name"]
    policy = manifest["NetworkPolicy", "reaktor"]["spec"]
    for selected in (
        spec["selector"]["matchLabels"],
        spread["labelSelector"]["matchLabels"],
        manifest["Service", "reaktor"]["spec"]["selector"],
        manifest["Service", "reaktor-hosts"]["spec"]["selector"],
        manifest["PodDisruptionBudget", "reaktor"]["spec"]["selector"]["matchLabels"],
        policy["podSelector"]["matchLabels"],
    ):
        assert selected == labels
    by_port = {rule["ports"][0]["port"]: rule.get("from") for rule in policy["ingress"]}
    assert by_port == {"http": None, "hosts": [{"podSelector": {"matchLabels": labels}}]}


def test_the_procfile_prepares_then_serves() -> None:
    lines = dict(line.split(": ") for line in (ROOT / "Procfile").read_text().splitlines())
    assert lines == {"release": "python manage.py prepare", "web": "python manage.py runcluster"}
