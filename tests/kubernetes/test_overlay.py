"""The small overlay is complete: servers, clients, and a Prometheus that sees them come and go."""

import json
import urllib.parse
from typing import Any

import pytest

from tests.integration.conftest import wait_for

from .cluster import Namespace
from .load import start


def query(small: Namespace, expression: str) -> dict[str, float]:
    """Return what Prometheus answers now, by job."""
    address = f"http://localhost:9090/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    answer = small.kubectl("exec", "deploy/prometheus", "--", "wget", "-q", "-O", "-", address).stdout
    found: list[Any] = json.loads(answer)["data"]["result"]
    return {each["metric"].get("job", ""): float(each["value"][1]) for each in found}


def test_prometheus_sees_every_pod(small: Namespace):
    wanted = {"server": 2, "client": 1, "prometheus": 1}
    wait_for(lambda: query(small, "sum by (job) (up)") == wanted, "all scraped")
    traffic = 'sum by (job) (rate(replay_exchanges_total{outcome="ok"}[30s])) > 1'
    wait_for(lambda: query(small, traffic), "traffic")


def test_a_stop_in_order_alerts_nobody(small: Namespace):
    wait_for(lambda: query(small, "sum by (job) (up)").get("server") == 2, "all scraped")
    small.roll()
    # A name's answer may be half a minute old; of a pod that comes and goes within that nothing is seen.
    seen = "count by (job) (max_over_time(up[5m]) == 1)"
    wait_for(lambda: query(small, seen).get("server") == 4, "the new ones scraped, too")
    small.kubectl("scale", "deployment/server", "--replicas=1")
    wait_for(lambda: query(small, "sum by (job) (up)").get("server") == 1, "one left")
    small.kubectl("scale", "deployment/server", "--replicas=2")
    small.settled()
    drained = "count by (job) (max_over_time(socketserver_draining[5m]) == 1)"
    assert query(small, drained) == {"server": 3}
    told = 'ALERTS{alertname=~"ReplicaDown|NoServer", alertstate="firing"}'
    assert query(small, f"max_over_time({told}[5m])") == {}


@pytest.mark.parametrize(
    ("arguments", "verdict"),
    [(["--loops", "5"], "Complete"), (["--loops", "5", "--fail-on", "max > 1us"], "Failed")],
    ids=["pass", "fail"],
)
def test_a_job_ends_as_its_run_did(small: Namespace, arguments: list[str], verdict: str):
    name = verdict.lower()
    start(small, name, ["replay", "client/scripts", "--target", "tcp://server:21567", *arguments])
    small.kubectl("wait", f"job/replay-{name}", f"--for=condition={verdict}", "--timeout=60s")
    first = small.kubectl("logs", f"job/replay-{name}").stdout.splitlines()[0]
    assert first.startswith("PASS" if verdict == "Complete" else "FAIL: max > 1us")
