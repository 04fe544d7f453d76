"""A server that was served and closed goes with its last reference, and its series with it."""

import gc
import time
import weakref

from socketscope.serve.mixin import service_of

from .running import Echo, ask, make, running


def test_no_collection_is_needed():
    server = make(Echo)
    registry = service_of(server).options.registry
    assert registry is not None
    gc.collect()
    gc.disable()
    try:
        with running(server):
            ask(server)
        gone = weakref.ref(server)
        del server
        until = time.monotonic() + 10
        while gone() is not None and time.monotonic() < until:
            time.sleep(0.01)
        assert gone() is None
        assert registry.get_sample_value("socketserver_connections_open", {"listener": "tcp"}) is None
    finally:
        gc.enable()
