"""Runs CPython's own tests on observed servers: `python -m tests.faults.library.conformance WAY MODULE`.

There are two ways: `observed` has each server observed when it begins to serve, with or without threads as it
is; `threading` has stand-ins for the classes of socketserver, so that all that derives from them has threads.
"""

import socketserver
import sys
import unittest
from importlib import import_module
from typing import Any

from test import support  # type: ignore[import-not-found]  # not in typeshed

import socketscope
from socketscope.serve.mixin import Observed
from socketscope.serve.service import Service

MODULES = {
    "test_socketserver": "",
    "test_httpservers": "",
    "test_xmlrpc": "",
    "test_docxmlrpc": "",
    "test_wsgiref": "",
    "test_urllib2_localnet": "",
    "test_robotparser": "",
    "test_imaplib": "",
    "test_logging": "*Handler*",
    "test_ssl": "*socketserver*",
}
"""Modules of tests that serve by socketserver; of some only what this pattern matches."""

LEFT_OUT = {
    "observed": {
        "MiscTestCase.test_threads_reaped": "looks into the list of threads of the standard library's mixin"
    },
    "threading": {
        "MiscTestCase.test_threads_reaped": "the same",
        "MiscTestCase.test_all": "compares the module's list of names with where each is defined",
        "ErrorHandlerTest.test_sync_handled": "about servers without threads, and there are none",
        "ErrorHandlerTest.test_sync_not_handled": "the same",
    },
}
"""Tests of test_socketserver that are not run, and why; those of servers that fork are skipped where all have
threads, as who does both is refused."""


def stand_in() -> None:
    """Have the classes of socketserver be those of socketscope, also for modules that derive from them."""
    for base in ("TCPServer", "UDPServer", "UnixStreamServer", "UnixDatagramServer"):
        threading = getattr(socketscope, f"Threading{base}")
        setattr(socketserver, base, threading)
        setattr(socketserver, f"Threading{base}", threading)
    socketserver.ThreadingMixIn = type("ThreadingMixIn", (), {})  # type: ignore[assignment, misc]
    support.has_fork_support = False
    for name in ("http.server", "wsgiref.simple_server"):
        sys.modules.pop(name, None)


def observe() -> None:
    """Have every server observed when it begins to serve, unless it forks."""
    base = socketserver.BaseServer
    serve_forever, handle_request = base.serve_forever, base.handle_request

    def serve_forever_observed(server: Any, poll_interval: float = 0.5) -> None:
        if isinstance(server, socketserver.ForkingMixIn):
            serve_forever(server, poll_interval)
        else:
            Observed.serve_forever(socketscope.observe(server), poll_interval)

    def handle_request_observed(server: Any) -> None:
        handle_request(
            server if isinstance(server, socketserver.ForkingMixIn) else socketscope.observe(server)
        )

    base.serve_forever = serve_forever_observed  # type: ignore[method-assign]
    base.handle_request = handle_request_observed  # type: ignore[method-assign]


def tests_of(way: str, name: str) -> unittest.TestSuite:
    """Return what is to be run of a module."""
    loader = unittest.TestLoader()
    if pattern := MODULES[name]:
        loader.testNamePatterns = [pattern]
    # The interpreter's own test runner enables what opens a socket.
    support.use_resources = ["network"]
    module = import_module(f"test.{name}")
    if name == "test_socketserver":
        for left_out in LEFT_OUT[way]:
            case, test = left_out.split(".")
            delattr(getattr(module, case), test)
    return loader.loadTestsFromModule(module)


def main(way: str, name: str) -> bool:
    """Run a module's tests; return whether they passed, on servers that were observed."""
    {"observed": observe, "threading": stand_in}[way]()
    served: list[str] = []
    show = Service.show

    def noting(service: Service, server: Any) -> None:
        served.append(service.kind)
        show(service, server)

    Service.show = noting  # type: ignore[method-assign]
    result = unittest.TextTestRunner(verbosity=2).run(tests_of(way, name))
    print(f"{result.testsRun} tests, {len(served)} times a server was observed")
    return result.wasSuccessful() and bool(served)


if __name__ == "__main__":
    sys.exit(not main(*sys.argv[1:]))
