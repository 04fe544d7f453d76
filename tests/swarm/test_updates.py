"""Updates of a stack whose clients go on playing: nothing is lost of what they ask, and nobody is told."""

import itertools
import logging
import os
import time
from typing import Any

import pytest

from tests.integration.conftest import wait_for

from .conftest import OURS
from .stack import NAMES, Stack, commands, docker

log = logging.getLogger(__name__)

ROUNDS = int(os.environ.get("SWARM_ROUNDS", "10"))
LINGERS = 30
"""Seconds for which Prometheus may still ask at the address of a server that stopped, and longer."""

TCP, TLS = "tcp://server:21567", "tls://server:21568"
BROKEN = {
    "ends at once": """ENTRYPOINT ["python", "-c", "raise SystemExit('broken')"]""",
    "is never healthy": "ENV SERVER_METRICS=none",
}


def nothing_is_lost(*summaries: dict[str, Any]) -> None:
    for summary in summaries:
        outcomes = {outcome: count for outcome, count in summary["outcomes"].items() if count}
        told = f"attempted {summary['attempted']}, {outcomes}, in flight at the end {summary['in_flight']}"
        # A client that the machine keeps waiting is late with what has a time limit.
        log.info("%s: %s; the client's lag %s", summary["target"], told, summary["lag_seconds"])
    assert [summary["failed"] for summary in summaries] == [0 for _ in summaries]
    assert all(summary["ok"] > 500 for summary in summaries)


def only_runs(stack: Stack, image: str) -> None:
    """Wait until those that were replaced have drained, and see three servers of an image."""
    wait_for(lambda: len(stack.containers("server")) == 3, "those that were replaced have drained")
    assert stack.images() == {image}


def wants(stack: Stack, servers: int) -> bool:
    """Whether the Prometheus that runs was started to want so many servers."""
    running = stack.containers("prometheus", "--filter", "health=healthy")
    return bool(running) and f"REPLICAS={servers}" in docker(
        "inspect", "--format", "{{.Config.Env}}", *running
    )


def told(stack: Stack, began: float) -> list[str]:
    """Return which alerts about servers have fired since then, when all has been seen."""
    time.sleep(LINGERS)
    since = time.monotonic() - began
    about = 'alertname=~"Replica.*|NoServer|RestartLoop|ClientsFail"'
    found = stack.query(f'count_over_time(ALERTS{{alertstate="firing", {about}}}[{since:.0f}s])')
    return [alert["metric"]["alertname"] for alert in found]


@pytest.fixture(scope="module")
def second(stack: Stack) -> str:
    """The image that the page has built for its update."""
    stack.type(commands("Updates")[0])
    return f"{NAMES['socketscope-server']}:2"


def test_updates_of_the_page_lose_nothing(stack: Stack, second: str):
    _, update, ask, back, *another = commands("Updates")
    with stack.playing(TCP) as plain, stack.playing(TLS) as tls:
        stack.type(update)
        assert stack.updated() == "completed"
        assert stack.type(ask).strip() == "completed"
        only_runs(stack, second)
        stack.type(back)
        assert stack.updated() == "rollback_completed"
        for command in another:
            stack.type(command)
        assert stack.updated() == "completed"
    nothing_is_lost(plain, tls)


def test_rolling_updates_lose_nothing_and_are_told_to_nobody(stack: Stack, second: str):
    first = stack.variables["SERVER_IMAGE"]
    wait_for(lambda: stack.query('count(up{job="server"} == 1) == 3'), "three targets are up", 120)
    began = time.monotonic()
    with stack.playing(TCP) as plain, stack.playing(TLS) as tls:
        for number, image in zip(range(ROUNDS), itertools.cycle([second, first])):
            started = time.monotonic()
            assert stack.update(image) == "completed"
            log.info("update %d: %.1f s", number + 1, time.monotonic() - started)
            assert stack.images() >= {image}
            assert stack.ends() <= {"0"}
        only_runs(stack, image)
        assert stack.ends() == {"0"}
        fired = told(stack, began)
    nothing_is_lost(plain, tls)
    assert fired == []


@pytest.mark.parametrize("how", BROKEN)
def test_an_image_that_is_broken_is_taken_back_and_clients_do_not_notice(stack: Stack, how: str):
    server = stack.variables["SERVER_IMAGE"]
    docker("build", "--quiet", "--tag", f"{OURS}-broken", "-", text=f"FROM {server}\n{BROKEN[how]}\n")
    wait_for(lambda: stack.query('count(up{job="server"} == 1) == 3'), "three targets are up", 120)
    began = time.monotonic()
    with stack.playing(TCP) as plain, stack.playing(TLS) as tls:
        assert stack.update(f"{OURS}-broken") == "rollback_completed"
        only_runs(stack, server)
        log.info("%s: taken back after %.1f s", how, time.monotonic() - began)
        fired = told(stack, began)
        fewest = stack.query(f"min_over_time(job:server_up:count[{time.monotonic() - began:.0f}s])")
    nothing_is_lost(plain, tls)
    assert int(fewest[0]["value"][1]) >= 3
    assert fired == []


def test_fewer_servers_where_the_stack_says_so_are_told_to_nobody(stack: Stack):
    wait_for(lambda: stack.query('count(up{job="server"} == 1) == 3'), "three targets are up", 120)
    began = time.monotonic()
    stack.deploy(REPLICAS="2")
    wait_for(lambda: len(stack.containers("server")) == 2, "one has drained")
    wait_for(lambda: wants(stack, 2), "Prometheus knows that two are enough")
    assert told(stack, began) == []
    both = "job:server_up:count == 2 and job:server_wanted:count == 2"
    wait_for(lambda: stack.query(both), "as many are there as there should be")
