"""Where a service cannot do what it is for."""

import socketserver
import sys
from types import ModuleType

import pytest
from prometheus_client import CollectorRegistry

import socketscope
from socketscope.serve import queue


def make():
    class Server(socketscope.ThreadingTCPServer, registry=CollectorRegistry()):
        pass

    return Server(("127.0.0.1", 0), socketserver.BaseRequestHandler)


def green(monkeypatch, library, *patched):
    """Have gevent or eventlet be imported, and have replaced these modules."""
    module, asked = {
        "gevent": ("gevent.monkey", "is_module_patched"),
        "eventlet": ("eventlet.patcher", "is_monkey_patched"),
    }[library]
    patcher = ModuleType(module)
    setattr(patcher, asked, lambda name: name in patched)
    monkeypatch.setitem(sys.modules, module, patcher)


@pytest.mark.parametrize(
    ("library", "patched"),
    [
        ("gevent", "threading"), ("gevent", "select"), ("gevent", "socket"),
        ("eventlet", "thread"), ("eventlet", "select"), ("eventlet", "socket"),
    ],
)  # fmt: skip
def test_where_either_has_replaced_what_it_stands_on_it_refuses_in_one_line(monkeypatch, library, patched):
    green(monkeypatch, library, patched)
    with make() as server:
        with pytest.raises(RuntimeError, match=f"^{library} has replaced {patched}: [^\n]*$"):
            server.serve_forever()
        server.shutdown()


@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_where_either_is_imported_and_has_replaced_nothing_it_serves(monkeypatch, library):
    green(monkeypatch, library)
    with make() as server:
        server.shutdown()
        server.serve_forever()


@pytest.mark.parametrize(
    ("base", "looks"),
    [
        (socketscope.ThreadingTCPServer, 2), (socketscope.ThreadingUnixStreamServer, 1),
        (socketscope.ThreadingUDPServer, 1), (socketscope.ThreadingUnixDatagramServer, 1),
    ],
)  # fmt: skip
def test_at_its_end_a_handshake_is_waited_for_where_there_is_one(monkeypatch, tmp_path, base, looks):
    looked = []

    def waits(*_):
        looked.append(1)
        return False

    address = str(tmp_path / "s") if "Unix" in base.__name__ else ("127.0.0.1", 0)
    server = socketscope.observe(base(address, socketserver.BaseRequestHandler), registry=CollectorRegistry())
    server.shutdown()
    server.serve_forever()
    monkeypatch.setattr(queue, "waits", waits)
    server.server_close()
    assert min(len(looked), 2) == looks
