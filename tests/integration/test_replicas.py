"""Servers that come, go and die beside others, under load; each test comes back to one server.

With `REPLICA_ROUNDS=10 pytest --log-cli-level=INFO` each is tried ten times, and has a line for each time;
with `PEACE_SECONDS=3600` the stack is left alone for an hour.
"""

import itertools
import json
import logging
import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from .conftest import Stack, wait_for
from .dashboards import TILES, filled_in

log = logging.getLogger(__name__)

ROUNDS = int(os.environ.get("REPLICA_ROUNDS", "1"))
PEACE = float(os.environ.get("PEACE_SECONDS", "30"))
"""Seconds for which the stack is left alone."""
PAGED = 30.0
"""Seconds within which the death of a server must be told."""
LINGERS = 30
"""Seconds for which Prometheus may still ask at the address of a server that stopped, and longer."""

UNSERVED = 'sum(replay_exchanges_total{outcome!="ok"})'
"""What the demo's own client did not get."""

LOAD = (
    "replay", "client/scripts", "--target", "tcp://server:21567", "--users", "32", "--rate", "50",
    "--duration", "45s", "--summary", "json", "--fail-on", "errors > 100%",
)  # fmt: skip
"""Beside the demo's own client, and longer than the servers come and go."""


@pytest.fixture
def quiet(stack: Stack) -> Iterator[Stack]:
    """The stack when nothing is told, with one server before and after."""
    wait_for(lambda: serving(stack) == 1, "one server", seconds=120)
    settle(stack)
    yield stack
    stack.scale(1)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_from_one_to_three_and_back_nobody_notices(quiet: Stack, number: int):
    first = published(quiet)
    unserved = quiet.value(UNSERVED)
    began = time.monotonic()
    with ThreadPoolExecutor(1) as beside:
        playing = beside.submit(quiet.run_beside, "client", *LOAD)
        quiet.scale(3)
        wait_for(lambda: serving(quiet) == 3, "three targets are up")
        quiet.scale(1)
        scaled = time.monotonic() - began
        assert not playing.done()
        time.sleep(LINGERS)
        summary = json.loads(playing.result())
    told = firing(quiet, time.monotonic() - began)
    failed = {outcome: count for outcome, count in summary["outcomes"].items() if outcome != "ok" and count}
    log.info("%d: %.1f s, failed %s of %d, told %s", number + 1, scaled, failed, summary["attempted"], told)
    assert published(quiet) == first
    assert summary["attempted"] > 1000
    assert not failed
    assert quiet.value(UNSERVED) == unserved
    assert told == []
    seconds = time.monotonic() - began
    assert most_lost(quiet, seconds) == 0, quiet.query(f"ALERTS[{seconds:.0f}s]")
    assert serving(quiet) == 1


@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("servers", [1, 2])
def test_a_restart_in_order_is_told_to_nobody(quiet: Stack, servers: int, number: int):
    quiet.scale(servers)
    wait_for(lambda: serving(quiet) == servers, "all are scraped")
    began = time.monotonic()
    restart = ["docker", "restart", "--time", "30", *quiet.containers("server"), *quiet.containers("replica")]
    subprocess.run(restart, check=True, capture_output=True)
    restarted = time.monotonic() - began
    wait_for(lambda: serving(quiet) == servers, "all are scraped again")
    time.sleep(LINGERS)
    told = firing(quiet, time.monotonic() - began)
    log.info("%d: %d restarted in %.1f s, told %s", number + 1, servers, restarted, told)
    assert told == []


@pytest.mark.timeout(PEACE + 300)
def test_the_stack_by_itself_is_told_to_nobody(quiet: Stack):
    time.sleep(PEACE)
    assert firing(quiet, PEACE) == []


def test_the_death_of_one_of_three_is_told_until_it_is_back(quiet: Stack):
    quiet.scale(3)
    for number, service in zip(range(ROUNDS), itertools.cycle(["replica", "server"])):
        wait_for(lambda: serving(quiet) == 3, "three servers", seconds=120)
        settle(quiet)
        victim = quiet.containers(service)[0]
        subprocess.run(["docker", "kill", victim], check=True, capture_output=True)
        died = time.monotonic()
        told = wait_for(lambda: quiet.query('ALERTS{alertstate="firing"}'), "it is told", seconds=PAGED)
        after = time.monotonic() - died
        assert [alert["metric"]["alertname"] for alert in told] == ["ReplicaDown"]
        assert most_lost(quiet, time.monotonic() - died) == 1
        quiet.scale(3)
        back = time.monotonic()
        wait_for(lambda: not quiet.query("ALERTS"), "it is told no longer")
        known = time.monotonic() - back
        log.info(
            "%d: a %s, told after %.1f s, and %.1f s after it was back", number + 1, service, after, known
        )


def firing(stack: Stack, seconds: float) -> list[dict[str, Any]]:
    """Return what has fired within the last seconds."""
    return stack.query(f"count_over_time(ALERTS{{alertstate='firing'}}[{seconds:.0f}s])")


def most_lost(stack: Stack, seconds: float) -> float:
    """Return how many servers the overview has missed at once within the last seconds."""
    (lost,) = [tile for tile in TILES if tile.legend == "lost"]
    return stack.value(f"max_over_time(({filled_in(lost.expression)})[{seconds:.0f}s:1s])")


def settle(stack: Stack) -> None:
    """Wait until nothing is told or about to be."""
    deadline = time.monotonic() + 120
    while told := [alert["metric"] for alert in stack.query("ALERTS")]:
        assert time.monotonic() < deadline, told
        time.sleep(0.5)


def serving(stack: Stack) -> float:
    return stack.value('count(up{job="server"} == 1)')


def published(stack: Stack) -> tuple[str, int, int]:
    """Return the container that has the published ports, and where they are."""
    (container,) = stack.containers("server")
    return container[:12], stack.port("server", 21567), stack.port("server", 9464)
