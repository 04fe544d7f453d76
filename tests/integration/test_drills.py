"""Each drill, on a stack whose alerts look and wait a quarter as long: what it must show shows, and no more.

With `DRILL_ROUNDS=2 pytest --log-cli-level=INFO` each is done twice, and tells what it saw.
"""

import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from drills.catalogue import DRILLS
from drills.drill import Drill
from drills.rehearsal import SHOWN, Rehearsal
from drills.stack import Stack as DrilledStack

from .clone import clone
from .conftest import Stack, get, running, wait_for
from .dashboards import TARGETS, filled_in

log = logging.getLogger(__name__)

ROUNDS = int(os.environ.get("DRILL_ROUNDS", "1"))
HASTE = 4
VISIBLE = 15.0
"""Seconds within which a fault must show."""
QUIET = 60.0 / HASTE
SPENT = "job_slo:failures:rate1m"
"""What objectives remember; drills are days apart, and not seconds as here."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a clone whose symptoms are told sooner, by all their windows and waits alike."""
    made: Path = tmp_path_factory.mktemp("drilled") / "socketscope"
    clone(made)
    for name in ("replicas.yml", "symptoms.yml"):
        rules = made / "prometheus" / "rules" / name
        rules.write_text(hastened(rules.read_text(encoding="utf-8")), encoding="utf-8")
    compose = made / "docker-compose.yml"
    text, assets = compose.read_text(encoding="utf-8"), "      - --web.user-assets=/etc/prometheus/pages\n"
    assert assets in text
    compose.write_text(text.replace(assets, f"{assets}      - --web.enable-admin-api\n"), encoding="utf-8")
    return made


def hastened(rules: str) -> str:
    """Return rules with each window, offset and wait a quarter as long, none shorter than two scrapes."""

    def shorter(found: re.Match[str]) -> str:
        seconds = int(found[2]) * {"s": 1, "m": 60}[found[3]]
        return f"{found[1]}{max(seconds // HASTE, 4)}s"

    return re.sub(r"(\[|for: |offset )(\d+)([sm])\b", shorter, rules)


@pytest.fixture(scope="module")
def drilled(folder: Path) -> Iterator[Stack]:
    with running(folder, "server", "client", "prometheus") as stack:
        wait_for(lambda: stack.value('sum(rate(replay_exchanges_total{outcome="ok"}[8s]))') > 1, "traffic")
        yield stack


@pytest.fixture
def calm(drilled: Stack) -> Stack:
    """The stack when nothing is told, and no budget is spent."""
    query = urllib.parse.urlencode({"match[]": SPENT})
    address = f"{drilled.prometheus}/api/v1/admin/tsdb/delete_series?{query}"
    urllib.request.urlopen(urllib.request.Request(address, method="POST"), timeout=10).close()
    wait_for(lambda: not drilled.query("ALERTS"), "no alert", seconds=120)
    return drilled


@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.name)
def test_it_shows_is_told_and_resolves_and_nothing_else_is_told(
    calm: Stack, folder: Path, drill: Drill, number: int
):
    before = {service: len(calm.containers(service)) for service in ("server", "replica", "client")}
    began = time.time()
    outcome = Rehearsal(DrilledStack(folder), log.info, threading.Event().wait, QUIET).play(drill)
    lasted = time.time() - began
    log.info("%d: %s", number + 1, replace(outcome, lines=""))
    assert outcome.seen is not None
    assert outcome.seen <= VISIBLE
    assert outcome.others == set()
    # The looks of the drill are half a second apart, and it does not look while it undoes what it did.
    told = calm.query(f'sum by (alertname) (count_over_time(ALERTS{{alertstate="firing"}}[{lasted:.0f}s]))')
    assert {alert["metric"]["alertname"] for alert in told} == ({drill.alert} if drill.alert else set())
    if drill.alert:
        assert outcome.told is not None
        assert outcome.resolved is not None
        assert outcome.resolved <= 60
    if drill.alert == "RateNotHeld":
        # The stack's own client plays more than that, and was asked for nothing.
        played, asked = (
            filled_in(expression(f"client: {drill.panel[1]}: {of}")) for of in ("played", "asked for")
        )
        found = calm.query(f"quantile_over_time(0.5, (({played}) / ({asked}))[{lasted:.0f}s:2s])")
        assert float(found[0]["value"][1]) < 0.5
    if drill.lines and shutil.which("jq"):
        lines = [json.loads(line) for line in outcome.lines.splitlines()]
        assert lines
        if drill.name == "killed-replica":  # the last line of who is gone is among those that are shown
            at = sorted(datetime.fromisoformat(line["timestamp"]) for line in lines[-SHOWN:])
            assert (at[-1] - at[0]).total_seconds() > 2
    assert {service: len(calm.containers(service)) for service in before} == before
    assert left(folder) == []


def test_a_drill_is_ended_by_ctrl_c_and_nothing_is_left_of_it(calm: Stack, folder: Path):
    with subprocess.Popen(
        [sys.executable, "-m", "drills", "killed-server"], cwd=folder, stdout=subprocess.PIPE, text=True
    ) as going:
        assert going.stdout is not None
        for line in going.stdout:
            if "seen:" in line:
                going.send_signal(signal.SIGINT)
                break
        told = going.stdout.read()
    assert going.returncode == 130
    assert told.endswith("nothing is left of it\n")
    wait_for(lambda: calm.value('count(up{job="server"} == 1)') == 1, "the server is back")
    assert left(folder) == []


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
@pytest.mark.parametrize(
    ("section", "shown"), [("ConnectionsFail", {"outcome": "line_too_long"}), ("RepliesLate", {})]
)
def test_the_runbook_leads_from_a_chart_to_the_lines(
    drilled: Stack, folder: Path, section: str, shown: dict[str, str]
):
    runbook = (folder / "docs" / "runbook.md").read_text(encoding="utf-8")
    (command,) = re.findall(rf"## {section}\n.*?```sh\n(.+?)\n```", runbook, re.DOTALL)
    with socket.create_connection(("127.0.0.1", drilled.port("server", 21567)), timeout=10) as client:
        client.sendall(b"x" * 9000 + b"\n")
        peer = client.makefile("rb").readline()
    assert peer == b"ERR line too long\r\n"

    def lines() -> list[dict[str, object]]:
        told = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=True)
        return [json.loads(line) for line in told.stdout.splitlines()]

    wait_for(lambda: any(shown.items() <= line.items() for line in lines()), "the lines", 10)


def test_the_receiver_prints_what_fires_and_what_resolves(calm: Stack, without_alertmanager: str):
    if without_alertmanager:
        pytest.skip(without_alertmanager)
    calm.run("up", "--detach", "--build", "--wait", "alertmanager", "receiver")
    config = "/etc/alertmanager/alertmanager.yml"
    assert "SUCCESS" in calm.run("exec", "-T", "alertmanager", "amtool", "check-config", config)
    found = f"{calm.prometheus}/api/v1/alertmanagers"
    wait_for(lambda: json.loads(get(found))["data"]["activeAlertmanagers"], "it is found")
    calm.run("kill", "server")
    try:
        wait_for(lambda: printed(calm, "firing"), "the alert is printed")
    finally:
        calm.run("start", "server")
    wait_for(lambda: printed(calm, "resolved"), "its end is printed")
    calm.run("rm", "--force", "--stop", "--volumes", "alertmanager", "receiver")


def printed(stack: Stack, state: str) -> bool:
    """Whether the receiver has printed that the one alert there is is in a state."""
    told = re.findall(r"(firing|resolved) +page +(\w+): ", stack.run("logs", "--no-log-prefix", "receiver"))
    assert {name for _, name in told} <= {"NoServer"}
    return (state, "NoServer") in told


def expression(name: str) -> str:
    """Return what a panel asks for."""
    (found,) = [target.expression for target in TARGETS if str(target) == name]
    return found


def left(folder: Path) -> list[str]:
    """Return containers and networks of drills that are still there."""
    project = os.environ["COMPOSE_PROJECT_NAME"]
    commands = (
        ("docker", "ps", "--all", "--quiet", "--filter", f"name=^{project}-drill$"),
        ("docker", "network", "ls", "--quiet", "--filter", f"name=^{project}_default_drill$"),
    )
    return [
        one
        for command in commands
        for one in subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        .stdout.split()
    ]  # fmt: skip
