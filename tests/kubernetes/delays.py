"""How long a drain's delay must be on this cluster: `python -m tests.kubernetes.delays 0 1s 2s`."""

import sys
import tempfile
from pathlib import Path

from .cluster import MANIFESTS, Namespace, kubectl
from .load import load

UPDATES = 10
NAME = "socketscope-delays"


def measure(namespace: Namespace, delay: str) -> None:
    """Print what updates cost clients with a delay."""
    namespace.kubectl("set", "env", "deployment/server", f"SERVER_DRAIN_DELAY={delay}")
    namespace.settled()
    with load(namespace) as by_proxy, load(namespace, service="server-headless") as by_name:
        for _ in range(UPDATES):
            namespace.roll()
    print(f"{delay}: {by_proxy}; by name: {by_name}", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        namespace = Namespace(NAME, Path(folder))
        try:
            without_load = [{"name": "client", "count": 0}]
            namespace.apply(namespace.make(MANIFESTS / "base", replicas=without_load))
            namespace.settled()
            for delay in sys.argv[1:]:
                measure(namespace, delay)
        finally:
            kubectl("delete", "namespace", NAME)
