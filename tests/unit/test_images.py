"""Images and services give who breaks into one little: no root, hardly anything to write, no secret."""

import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
STACK = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES = STACK["services"]
OURS = ("server", "client", "receiver")
"""Images that are made here, and not only given their configuration."""

WRITES = {"grafana"}
"""Services that cannot do without files to write: Grafana has its database beside its program."""

SECRET = re.compile(r"pass(word|wd)?|secret|token|credential|(api|private|tls)_?key", re.IGNORECASE)


def stages():
    """Return the instructions of each stage, after those of the stage that it begins with."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    found: dict[str, list[tuple[str, str]]] = {}
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            instructions = found[name] = list(found.get(base, ()))
        elif word.isupper() and found:
            instructions.append((word, rest.strip()))
    return found


def mounts(service):
    """Return a service's volumes, and where it has each."""
    return [volume.split(":") for volume in service.get("volumes", ())]


STAGES = stages()
PLACES = [pytest.param(*each, id=each[0]) for each in SERVICES.items()]


def last(stage, word):
    return [rest for found, rest in STAGES[stage] if found == word][-1]


def test_each_service_has_its_stage():
    assert set(STAGES) > {service["build"]["target"] for service in SERVICES.values() if "build" in service}
    assert set(OURS) < set(STAGES)


@pytest.mark.parametrize("stage", OURS)
def test_an_image_runs_as_a_user_with_a_number_that_is_not_0(stage):
    # A name could not be told from root by who only admits other users.
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", last(stage, "USER"))


@pytest.mark.parametrize("stage", STAGES)
def test_no_command_of_an_image_needs_a_shell(stage):
    for word, rest in STAGES[stage]:
        if word in {"ENTRYPOINT", "CMD"}:
            assert json.loads(rest)[0] not in {"sh", "bash", "/bin/sh", "/bin/bash"}
        assert word not in {"HEALTHCHECK", "SHELL"}  # a service's health is Compose's


@pytest.mark.parametrize("stage", STAGES)
def test_no_layer_is_made_with_a_secret(stage):
    for word, rest in STAGES[stage]:
        assert not (word in {"ENV", "ARG"} and SECRET.search(rest)), rest
        assert word != "ADD", "an address is no source that is checked"


@pytest.mark.parametrize("stage", OURS)
def test_an_image_has_what_it_runs_and_no_more(stage):
    copied = [rest.split() for word, rest in STAGES[stage] if word == "COPY"]
    assert copied
    for source, path, *_ in copied:
        assert source in {"--from=build", "--from=source"}
        assert path in {
            "/venv",
            "/source/socketscope",
            *(f"/source/{name}" for name in ("server", "client", "alertmanager")),
        }


def test_nothing_goes_into_a_build_that_is_not_named():
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    for rule in rules[1:]:
        assert rule == "**/__pycache__" or (ROOT / rule.removeprefix("!")).exists()


@pytest.mark.parametrize("stage", ["build", "build-test"])
def test_packages_are_those_of_the_lock_file(stage):
    installs = [rest for word, rest in STAGES[stage] if word == "RUN" and "install" in rest]
    assert installs
    assert all("--require-hashes" in each for rest in installs for each in re.findall(r"install.*", rest))


@pytest.mark.parametrize(("name", "service"), PLACES)
def test_a_service_has_no_rights_and_little_room(name, service):
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "pid", "ipc", "network_mode", "devices", "user"} & set(service)
    assert service.get("read_only", False) is (name not in WRITES)
    assert service["mem_limit"]
    assert service["pids_limit"]


@pytest.mark.parametrize("name", OURS)
def test_a_report_a_recording_or_a_temporary_file_has_a_place_in_memory(name):
    assert SERVICES[name]["tmpfs"] == ["/tmp:size=16m"]


@pytest.mark.parametrize(("name", "service"), PLACES)
def test_a_service_sees_no_file_of_the_host_and_is_published_on_loopback_alone(name, service):
    for volume, _ in mounts(service):
        assert STACK["volumes"][volume] is None  # Docker's own: a folder of the host would be an option of it
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name


def test_what_is_kept_is_in_a_volume_with_a_name():
    # What an image declares and nobody names is lost to `down`, and left behind by who is started anew.
    kept = {
        (name, path)
        for name, service in SERVICES.items()
        for path in re.findall(r"--storage\.(?:tsdb\.)?path=(\S+)", "\n".join(service.get("command", ())))
    }
    assert {name for name, _ in kept} == {"prometheus", "alertmanager"}
    assert kept == {(name, path) for name, service in SERVICES.items() for _, path in mounts(service)}


@pytest.mark.parametrize(
    "stack",
    ["docker-compose.yml", "deploy/swarm/stack.yml", "deploy/kubernetes/overlays/small/prometheus.yaml"],
)
def test_a_page_of_another_site_cannot_read_prometheus_in_the_browser_of_who_can_reach_it(stack):
    # Whatever is not said otherwise may be asked by all origins; none is called so.
    text = (ROOT / stack).read_text(encoding="utf-8")
    assert re.findall(r"^ +- --web\.cors\.origin=(\S+)", text, re.MULTILINE) == ["none"]


@pytest.mark.parametrize(("name", "service"), PLACES)
def test_a_service_is_given_no_secret_that_stands_in_a_file(name, service):
    for variable, value in service.get("environment", {}).items():
        assert not SECRET.search(variable) or re.fullmatch(r"\$\{\w+(:-admin)?\}", value), (name, variable)


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - {"prometheus"}))
def test_a_service_reaches_itself_and_the_others_where_docker_has_a_proxy(name):
    # Prometheus asks no proxy unless it is told to.
    assert SERVICES[name]["environment"].items() >= {"http_proxy": "", "HTTP_PROXY": ""}.items()


@pytest.mark.parametrize("name", OURS)
def test_the_health_of_our_services_needs_no_shell(name):
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
