"""No reply is lost, whatever is done to the pods: updates, a broken one too, and the drain of a node."""

import subprocess
import time

import pytest

from tests.integration.conftest import wait_for

from .cluster import CLIENT_IMAGE, COMMAND, SERVERS, Namespace, kubectl
from .load import load

UPDATES = 10


def test_rolling_updates_lose_no_reply(server: Namespace):
    with load(server) as by_proxy, load(server, service="server-headless") as by_name:
        began = time.monotonic()
        for _ in range(UPDATES):
            server.roll()
        took = time.monotonic() - began
    print(f"{UPDATES} updates, {took:.0f} s: {by_proxy}; by name: {by_name}")
    assert by_proxy.lost == by_name.lost == {}
    assert min(by_proxy.attempted, by_name.attempted) > 50 * took


def test_without_a_drain_delay_they_do(server: Namespace):
    server.kubectl("set", "env", "deployment/server", "SERVER_DRAIN_DELAY=0")
    server.settled()
    with load(server) as played:
        for _ in range(UPDATES):
            server.roll()
    print(f"{UPDATES} updates, drain delay 0: {played}")
    assert sum(played.lost.values()) > 0


@pytest.mark.parametrize("image", [CLIENT_IMAGE, "socketscope-server:absent"], ids=["ends", "absent"])
def test_a_broken_image_is_rolled_back(server: Namespace, image: str):
    with load(server) as played:
        server.kubectl("set", "image", "deployment/server", f"server={image}")
        ended = server.kubectl("rollout", "status", "deployment/server", "--timeout=20s", check=False)
        assert ended.returncode != 0
        assert server.available() == 3
        server.kubectl("rollout", "undo", "deployment/server")
        server.settled()
    print(f"{image}: {played}")
    assert played.lost == {}
    assert played.attempted > 1000


def test_a_drained_node_keeps_to_the_budget(server: Namespace):
    wait_for(lambda: server.has(3), "three servers")
    before = {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in server.pods()}
    node = max(before.values(), key=list(before.values()).count)
    going = {name for name, its_node in before.items() if its_node == node}
    fewest = 3
    with load(server) as played:
        drain = subprocess.Popen(
            [*COMMAND, "drain", node, f"--pod-selector={SERVERS}", "--timeout=300s"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            while drain.poll() is None:
                fewest = min(fewest, server.available())
                # Where it is the only one, nothing else could take what it had.
                kubectl("uncordon", node)
                time.sleep(0.5)
        finally:
            drain.kill()
            kubectl("uncordon", node)
        told = drain.communicate()[0]
        wait_for(lambda: server.has(3), "three servers again")
    put_off = told.count("would violate the pod's disruption budget")
    print(f"{len(going)} of 3 drained, {put_off} evictions put off, {fewest} served at the least: {played}")
    assert drain.returncode == 0, told
    assert going.isdisjoint(pod["metadata"]["name"] for pod in server.pods())
    assert fewest >= 2
    assert len(going) == 1 or put_off > 0
    assert played.lost == {}
