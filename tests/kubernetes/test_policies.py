"""The network lets in clients and the scrape, and nobody else; and servers ask nobody for anything."""

import json
from collections.abc import Callable

import pytest

from .cluster import CLIENT_IMAGE, SERVERS, Namespace, kubectl

LISTEN = "import socket, time; s = socket.create_server(('', 9465)); time.sleep(3600)"
REACH = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3).close()
except OSError:
    print("kept out")
else:
    print("let in")
"""
DENIES = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: kept}
spec: {podSelector: {matchLabels: {who: kept}}, policyTypes: [Ingress]}
"""
IN, OUT = "let in", "kept out"


def place(namespace: Namespace, name: str, **labels: str) -> None:
    """Have a pod that listens at a client's port, and that can be told to connect."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": name,
                    "image": CLIENT_IMAGE,
                    "command": ["python", "-c", LISTEN],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }
    namespace.apply(json.dumps(pod))


def address(namespace: Namespace, selector: str) -> str:
    """Return the address of one of some pods."""
    return str(namespace.pods(selector)[0]["status"]["podIP"])


def reach(namespace: Namespace, who: str, where: str, port: int) -> str:
    """Return whether a pod is let in somewhere."""
    command = ("exec", who, "--", "python", "-c", REACH, where, str(port))
    return namespace.kubectl(*command).stdout.strip()


@pytest.fixture(scope="module")
def elsewhere(namespaces: Callable[[], Namespace]) -> Namespace:
    """Return a namespace with a Prometheus and a client in it, where policies are seen to be enforced."""
    namespace = namespaces()
    kubectl("create", "namespace", namespace.name)
    namespace.apply(DENIES)
    place(namespace, "scrape", **{"app.kubernetes.io/name": "prometheus"})
    place(namespace, "asks", **{"server-client": "true"})
    place(namespace, "kept", who="kept")
    namespace.kubectl("wait", "pod", "--all", "--for=condition=Ready", "--timeout=60s")
    kept = address(namespace, "who=kept")
    # A policy is in force a while after it was made.
    if all(reach(namespace, "scrape", kept, 9465) == IN for _ in range(20)):
        pytest.skip("this cluster's network enforces no policies")
    return namespace


@pytest.fixture(scope="module")
def inside(small: Namespace) -> Namespace:
    """Return a namespace with the servers, the demo's client, a client of its own and a stranger in it."""
    place(small, "asks", **{"server-client": "true"})
    place(small, "stranger", who="stranger")
    small.kubectl("wait", "pod/asks", "pod/stranger", "--for=condition=Ready", "--timeout=120s")
    return small


def test_clients_and_the_scrape_come_in_and_nobody_else(inside: Namespace, elsewhere: Namespace):
    server, client = (address(inside, f"app.kubernetes.io/name={name}") for name in ("server", "client"))
    places = [(server, 21567), (server, 9464), (client, 9465)]
    seen = {
        (namespace is inside, who): tuple(reach(namespace, who, *place) for place in places)
        for namespace, who in [
            (inside, "asks"),
            (inside, "stranger"),
            (elsewhere, "asks"),
            (elsewhere, "scrape"),
        ]
    }
    assert seen == {
        (True, "asks"): (IN, OUT, OUT),
        (True, "stranger"): (OUT, OUT, OUT),
        (False, "asks"): (OUT, OUT, OUT),
        (False, "scrape"): (OUT, IN, IN),
    }


@pytest.mark.usefixtures("elsewhere")
def test_out_go_a_clients_connections_alone(inside: Namespace):
    server, stranger = address(inside, SERVERS), address(inside, "who=stranger")
    assert reach(inside, "asks", stranger, 9465) == IN
    assert reach(inside, "deploy/server", stranger, 9465) == OUT
    assert reach(inside, "deploy/client", stranger, 9465) == OUT
    assert reach(inside, "deploy/client", server, 21567) == IN
