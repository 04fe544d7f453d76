"""Where a service cannot do what it is for."""

import socketserver
import sys
from types import ModuleType

import pytest
from prometheus_client import CollectorRegistry

import socketscope


def make():
    class Server(socketscope.ThreadingTCPServer, registry=CollectorRegistry()):
        pass

    return Server(("127.0.0.1", 0), socketserver.BaseRequestHandler)


def gevent(monkeypatch, *patched):
    """Have gevent be imported, and have replaced these modules."""
    monkey = ModuleType("gevent.monkey")
    monkey.is_module_patched = lambda name: name in patched  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gevent.monkey", monkey)


@pytest.mark.parametrize("patched", ["threading", "select", "socket"])
def test_where_gevent_has_replaced_what_it_stands_on_it_refuses_in_one_line(monkeypatch, patched):
    gevent(monkeypatch, patched)
    with make() as server:
        with pytest.raises(RuntimeError, match=f"^gevent has replaced {patched}: [^\n]*$"):
            server.serve_forever()
        server.shutdown()


def test_where_gevent_is_imported_and_has_replaced_nothing_it_serves(monkeypatch):
    gevent(monkeypatch)
    with make() as server:
        server.shutdown()
        server.serve_forever()
