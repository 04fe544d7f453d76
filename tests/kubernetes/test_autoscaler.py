"""Load makes replicas and its end takes them away, and no reply is lost by either."""

import pytest

from tests.integration.conftest import wait_for

from .cluster import Namespace, kubectl
from .load import load

PATCH = """
spec:
  maxReplicas: 6
  behavior: {scaleDown: {stabilizationWindowSeconds: 0}}
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: AverageValue, averageValue: 30m}}
"""
"""A target that the load of a test reaches, and no wait before the way down."""


def test_it_follows_the_load(server: Namespace):
    if kubectl("get", "--raw=/apis/metrics.k8s.io/v1beta1", check=False).returncode:
        pytest.skip("this cluster has no metrics server")
    with load(server, rate=20) as all_the_time:
        server.kubectl("patch", "hpa/server", f"--patch={PATCH}")
        with load(server, rate=200) as for_a_while:
            wait_for(lambda: server.available() >= 5, "more servers", 300)
            most = server.available()
        wait_for(lambda: server.has(3), "three servers again", 300)
    print(f"3, {most}, 3: {all_the_time}; {for_a_while}")
    assert all_the_time.lost == for_a_while.lost == {}
