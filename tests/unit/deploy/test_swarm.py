"""The stack for a swarm is docker-compose.yml's, but for what only one of the two knows."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from socketscope.settings import limit_settings
from socketscope.units import parse_duration

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "swarm"
STACK: dict[str, Any] = yaml.safe_load((FOLDER / "stack.yml").read_text(encoding="utf-8"))
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")

SERVICES = ["server", "client", "prometheus", "grafana"]
ALIKE = ["command", "read_only", "cap_drop", "init", "logging"]
IN_IMAGES = {
    "prometheus": "/etc/prometheus",
    "grafana/provisioning": "/etc/grafana/provisioning",
    "grafana/dashboards": "/var/lib/grafana-dashboards",
}
"""Folders of the clone, and where the Dockerfile has them."""


def of(files: dict[str, Any], service: str, *path: str) -> Any:
    found = files["services"][service]
    for key in path:
        found = found.get(key)
    return found


def plain(value: Any) -> Any:
    """Return a value with what its variables are unless they are set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) if isinstance(value, str) else value


def seconds(service: str, *path: str) -> float:
    return parse_duration(of(STACK, service, *path))


def drain() -> float:
    """Return how long a server may take to stop."""
    timeout = next(setting for setting in limit_settings(program=True) if setting.flag == "--drain-timeout")
    return seconds("server", "environment", "SERVER_DRAIN_DELAY") + parse_duration(str(timeout.default))


def test_a_server_has_the_time_that_its_drain_takes():
    assert seconds("server", "stop_grace_period") > drain()
    assert of(STACK, "server", "environment", "SERVER_DRAIN_DELAY") == of(
        COMPOSE, "server", "environment", "SERVER_DRAIN_DELAY"
    )


def test_a_server_that_drains_is_not_ended_for_being_unready():
    check = of(STACK, "server", "healthcheck")
    assert check["retries"] * parse_duration(check["interval"]) > drain()


def test_an_update_starts_the_next_before_it_stops_the_last_and_takes_back_what_is_broken():
    update = of(STACK, "server", "deploy", "update_config")
    assert (update["order"], update["parallelism"], update["failure_action"]) == (
        "start-first",
        1,
        "rollback",
    )
    # Else all are replaced before the first that dies is seen.
    assert parse_duration(update["delay"]) >= parse_duration(update["monitor"])
    assert of(STACK, "server", "deploy", "rollback_config")["order"] == "start-first"


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("option", ALIKE)
def test_options_are_those_of_compose(service, option):
    ours, theirs = of(STACK, service, option), of(COMPOSE, service, option)
    if option == "command" and ours is not None:
        ours = [plain(each) for each in ours if "web.external-url" not in each]
        theirs = [each for each in theirs if "web.external-url" not in each]
    assert ours == theirs


@pytest.mark.parametrize("service", SERVICES)
def test_limits_and_health_are_those_of_compose(service):
    limits = of(STACK, service, "deploy", "resources", "limits")
    assert limits == {"memory": of(COMPOSE, service, "mem_limit"), "pids": of(COMPOSE, service, "pids_limit")}
    assert of(STACK, service, "healthcheck") == of(COMPOSE, service, "healthcheck")


def test_images_are_those_of_compose_and_the_dockerfile():
    for service in ("server", "client"):
        assert of(STACK, service, "image") == of(COMPOSE, service, "image")
    for service in ("prometheus", "grafana"):
        name = f"{service.upper()}_IMAGE"
        (default,) = re.findall(rf"^ARG {name}=(\S+)$", DOCKERFILE, re.MULTILINE)
        assert of(STACK, service, "image") == f"${{{name}:-{default}}}"


def test_grafanas_settings_are_those_of_compose_but_for_who_may_see_it():
    ours, theirs = (of(files, "grafana", "environment") for files in (STACK, COMPOSE))
    assert theirs.keys() - ours.keys() == {
        "GF_SECURITY_ADMIN_PASSWORD", "GF_AUTH_ANONYMOUS_ENABLED", "GF_AUTH_ANONYMOUS_ORG_ROLE",
    }  # fmt: skip
    assert all(theirs[name] == value for name, value in ours.items() if not name.endswith("__FILE"))


def test_rules_dashboards_and_pages_are_the_same_files_at_the_same_places():
    mounted = {}
    for service in ("prometheus", "grafana"):
        for config in of(STACK, service, "configs"):
            file = STACK["configs"][config["source"]]["file"]
            mounted[config["target"]] = (FOLDER / file).resolve().relative_to(ROOT).as_posix()
    wanted = {}
    for folder, place in IN_IMAGES.items():
        assert re.search(rf"^COPY --from=source /source/{folder} {place}$", DOCKERFILE, re.MULTILINE)
        for file in sorted((ROOT / folder).rglob("*")):
            path = file.relative_to(ROOT).as_posix()
            if file.is_file() and "tests" not in path and file.suffix in {".yml", ".json", ".html"}:
                wanted[f"{place}/{file.relative_to(ROOT / folder).as_posix()}"] = path
    changed = {"/etc/prometheus/prometheus.yml": "deploy/swarm/prometheus.yml"}
    added = {"/etc/prometheus/rules/wanted.yml": "deploy/swarm/wanted.yml"}
    assert mounted == wanted | changed | added


def test_a_stack_of_the_same_name_has_volumes_of_its_own():
    # As docs/swarm.md removes them, and a clone's folder may be called as the stack there.
    assert STACK["volumes"]
    assert STACK["volumes"].keys().isdisjoint(COMPOSE["volumes"])


def test_prometheus_finds_each_task_and_is_else_configured_as_in_compose():
    theirs = (ROOT / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    ours = (FOLDER / "prometheus.yml").read_text(encoding="utf-8")
    assert ours == re.sub(r"names: \[(\w+)\]", r"names: [tasks.\1]", theirs)
    assert "tasks.server" in ours


def test_prometheus_knows_how_many_servers_there_should_be():
    assert of(STACK, "prometheus", "environment", "REPLICAS") == of(STACK, "server", "deploy", "replicas")
    assert '{{ env "REPLICAS" }}' in (FOLDER / "wanted.yml").read_text(encoding="utf-8")


def test_what_is_in_a_config_or_secret_can_be_replaced_under_another_name():
    named = [*STACK["configs"].values(), *STACK["secrets"].values()]
    fixed = [
        each["name"] for each in named if not re.search(r"-\$\{(CONFIGS|CERTIFICATE):-1\}$", each["name"])
    ]
    # Grafana takes it at its first start alone.
    assert fixed == ["grafana-password"]
