"""What manifests repeat of the program, of the stack and of each other is the same there."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.kubernetes.rules import ROOT, RULES, render
from socketscope import Limits
from socketscope.serve.endings import FORCE_GRACE
from socketscope.units import parse_duration
from socketscope.version import __version__
from socketscope.views.lines.writer import FLUSH

FOLDER = RULES.parents[2]
FILES = sorted(each for each in FOLDER.rglob("*.yaml") if each.name != "kustomization.yaml")
OBJECTS = [each for file in FILES for each in yaml.safe_load_all(file.read_text("utf-8"))]
PODS = {
    (each["kind"], each["metadata"]["name"]): each["spec"]["template"]
    for each in OBJECTS
    if "template" in each.get("spec", ())
}
LABELS = [template["metadata"]["labels"] for template in PODS.values()]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
PROMETHEUS = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text("utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")

each_pod = pytest.mark.parametrize("template", PODS.values(), ids=map("/".join, PODS))


def of(kind: str) -> list[Any]:
    return [each for each in OBJECTS if each["kind"] == kind]


def kustomization(folder: Path) -> Any:
    return yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))


def server() -> Any:
    return PODS["Deployment", "server"]["spec"]


def drain_delay() -> float:
    (given,) = (each for each in server()["containers"][0]["env"] if each["name"] == "SERVER_DRAIN_DELAY")
    return parse_duration(given["value"])


def test_a_server_may_take_as_long_to_end_as_it_can():
    longest = drain_delay() + Limits().drain_timeout + FORCE_GRACE + FLUSH
    assert server()["terminationGracePeriodSeconds"] > longest


def test_prometheus_sees_a_server_drain():
    assert drain_delay() > 2 * parse_duration(PROMETHEUS["global"]["scrape_interval"])


def test_the_operators_rules_are_prometheus_own():
    assert RULES.read_text("utf-8") == render(), "run: python -m deploy.kubernetes"
    own = [
        yaml.safe_load(file.read_text("utf-8"))["groups"]
        for file in sorted((ROOT / "prometheus" / "rules").iterdir())
    ]
    assert [each["spec"]["groups"] for each in of("PrometheusRule")] == own


def test_the_operator_scrapes_as_prometheus_does():
    jobs = {each["job_name"] for each in PROMETHEUS["scrape_configs"]}
    monitors = {each["metadata"]["name"]: each["spec"] for each in of("PodMonitor")}
    assert monitors.keys() == jobs
    for job, monitor in monitors.items():
        # The rules know a job by what a pod is named by this label.
        assert monitor["selector"]["matchLabels"] == {monitor["jobLabel"]: job}
        (endpoint,) = monitor["podMetricsEndpoints"]
        assert endpoint["interval"] == PROMETHEUS["global"]["scrape_interval"]
        assert endpoint["scrapeTimeout"] == PROMETHEUS["global"]["scrape_timeout"]


def test_the_small_prometheus_scrapes_as_the_stacks_does():
    small = yaml.safe_load((FOLDER / "overlays" / "small" / "prometheus.yml").read_text("utf-8"))
    wanted = {name: part for name, part in PROMETHEUS.items() if name != "alerting"}
    for job in wanted["scrape_configs"]:
        for discovery in job.get("dns_sd_configs", ()):
            discovery["names"] = [f"{name}-metrics" for name in discovery["names"]]
    assert small == wanted
    headless = {each["metadata"]["name"] for each in of("Service") if each["spec"].get("clusterIP") == "None"}
    assert {"server-metrics", "client-metrics"} <= headless


@pytest.mark.parametrize(
    ("folder", "wanted"), [("prometheus", "rules/*"), ("prometheus", "pages/*"), ("grafana", "dashboards/*")]
)
def test_a_config_map_has_all_of_a_folders_files(folder, wanted):
    made = kustomization(ROOT / folder)["configMapGenerator"]
    named = {ROOT / folder / file for each in made for file in each["files"]}
    assert set((ROOT / folder).glob(wanted)) <= named


def test_the_small_prometheus_finds_all_that_it_is_given():
    (volume,) = (
        each["projected"]["sources"]
        for each in PODS["Deployment", "prometheus"]["spec"]["volumes"]
        if "projected" in each
    )
    there = {item["path"] for each in volume for item in each["configMap"].get("items", ())}
    made = kustomization(ROOT / "prometheus")["configMapGenerator"]
    assert there == {file for each in made for file in each["files"]}


def test_grafanas_sidecar_knows_the_dashboards():
    assert kustomization(ROOT / "grafana")["generatorOptions"]["labels"] == {"grafana_dashboard": "1"}


@pytest.mark.parametrize("folder", ["base", "job", "overlays/small"])
def test_images_are_of_this_version_or_pinned(folder):
    pinned = dict(re.findall(r"^ARG \w+_IMAGE=(\S+):(\S+)$", DOCKERFILE, re.MULTILINE))
    for image in kustomization(FOLDER / folder)["images"]:
        assert image["newTag"] == pinned.get(image["name"], __version__)


def test_the_page_names_images_of_this_version():
    page = (ROOT / "docs" / "kubernetes.md").read_text("utf-8")
    named = re.findall(r"socketscope-(?:server|client)(?::|, newTag: )([\d.]+\d)", page)
    assert len(named) == 8
    assert set(named) == {__version__}


def test_the_load_is_the_stacks():
    (client,) = PODS["Deployment", "client"]["spec"]["containers"]
    assert client["args"] == COMPOSE["services"]["client"]["command"]


@each_pod
def test_a_pod_keeps_to_the_restricted_profile_and_more(template):
    pod = template["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"].keys() == {"requests", "limits"}
        # With `latest`, which has no version here, it would be pulled at each start.
        assert container["imagePullPolicy"] == "IfNotPresent"


@each_pod
def test_ports_are_those_of_the_image(template):
    for container in template["spec"]["containers"]:
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        if (stage := container["image"].removeprefix("socketscope-")) in {"server", "client"}:
            exposed = re.findall(rf" AS {stage}\n.*?\nEXPOSE (.*?)\n", DOCKERFILE, re.DOTALL)
            assert [" ".join(map(str, ports.values()))] == exposed
        probes = [probe["httpGet"] for name, probe in container.items() if name.endswith("Probe")]
        assert {probe["port"] for probe in probes} <= ports.keys()


def test_a_server_is_asked_whether_it_is_ready_and_whether_it_lives():
    container = server()["containers"][0]
    probes = ("startupProbe", "readinessProbe", "livenessProbe")
    paths = [container[probe]["httpGet"]["path"] for probe in probes]
    assert paths == ["/healthz", "/readyz", "/healthz"]


def test_what_selects_pods_finds_some_and_no_controller_those_of_another():
    selectors = [each["spec"]["selector"] for each in of("Service")]
    chosen = of("PodDisruptionBudget") + of("PodMonitor")
    selectors += [each["spec"]["selector"]["matchLabels"] for each in chosen]
    selectors += [each["spec"]["podSelector"]["matchLabels"] for each in of("NetworkPolicy")]
    for selector in selectors:
        assert any(selector.items() <= labels.items() for labels in LABELS)
    for deployment in of("Deployment"):
        selector = deployment["spec"]["selector"]["matchLabels"]
        found = [labels for labels in LABELS if selector.items() <= labels.items()]
        assert found == [deployment["spec"]["template"]["metadata"]["labels"]]


def test_clients_have_the_label_that_lets_them_in():
    (policy,) = (each["spec"] for each in of("NetworkPolicy") if each["metadata"]["name"] == "server")
    (admitted,) = (each["podSelector"]["matchLabels"] for each in policy["ingress"][0]["from"])
    for labels in LABELS:
        assert (admitted.items() <= labels.items()) == (labels["app.kubernetes.io/name"] == "client")
