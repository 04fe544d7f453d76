"""An echo in a process with a metric of its own that cannot be collected."""

from prometheus_client import REGISTRY
from prometheus_client.registry import Collector

from tests.faults.server.handlers import Echo


class Broken(Collector):
    """Raises when it is asked, though not when it is registered."""

    def collect(self):
        raise ValueError("as asked")

    def describe(self):
        return ()


REGISTRY.register(Broken())

__all__ = ["Echo"]
