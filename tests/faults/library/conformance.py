"""Runs CPython's own tests on observed servers: `python -m tests.faults.library.conformance WAY MODULE`.

There are two ways: `observed` has each server observed when it begins to serve, with or without threads as it
is; `threading` has stand-ins for the classes of socketserver, so that all that derives from them has threads.
"""

import http.server
import importlib
import logging.config
import os
import socketserver
import sys
import unittest
import wsgiref.simple_server
from typing import Any

import socketscope
from socketscope.serve.mixin import Observed
from socketscope.serve.service import Service

MODULES = {
    "test_socketserver": ("", 20),
    "test_httpservers": ("", 70),
    "test_xmlrpc": ("", 85),
    "test_docxmlrpc": ("", 9),
    "test_wsgiref": ("", 35),
    "test_urllib2_localnet": ("", 20),
    "test_robotparser": ("", 50),
    "test_imaplib": ("", 85),
    "test_logging": ("*Handler*", 50),
    "test_ssl": ("*socketserver*", 1),
}
"""Modules of tests that serve by socketserver, of some only what a pattern matches, and how many at least."""

LEFT_OUT = {
    "observed": {
        "MiscTestCase.test_threads_reaped": "looks into the list of threads of the standard library's mixin"
    },
    "threading": {
        "MiscTestCase.test_threads_reaped": "looks into the list of threads of the standard library's mixin",
        "MiscTestCase.test_all": "compares the module's list of names with where each is defined",
        "MiscTestCase.test_shutdown_request_called_if_verify_request_false": (
            "does not wait for the thread that serves, which verifies"
        ),
        "SocketWriterTest.test_basics": "about servers without threads, and there are none",
        "ErrorHandlerTest.test_sync_handled": "about servers without threads, and there are none",
        "ErrorHandlerTest.test_sync_not_handled": "about servers without threads, and there are none",
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
    del os.fork  # who has a class that forks derives it from one that has threads now, which is refused
    reload()


def reload() -> None:
    """Have what was loaded before derive from the classes as they are now."""
    for module in (http.server, wsgiref.simple_server, logging.config):
        importlib.reload(module)


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

    base.serve_forever = serve_forever_observed  # type: ignore[method-assign, assignment]
    base.handle_request = handle_request_observed  # type: ignore[method-assign, assignment]


def tests_of(way: str, name: str) -> unittest.TestSuite:
    """Return what is to be run of a module."""
    from test import support  # type: ignore[import-not-found]  # noqa: PLC0415 - not in typeshed, nor in every Python

    loader = unittest.TestLoader()
    pattern, _ = MODULES[name]
    if pattern:
        loader.testNamePatterns = [pattern]
    # The interpreter's own test runner enables what opens a socket.
    support.use_resources = ["network"]
    module = importlib.import_module(f"test.{name}")
    if name == "test_socketserver":
        for left_out in LEFT_OUT[way]:
            case, test = left_out.split(".")
            delattr(getattr(module, case), test)
    return loader.loadTestsFromModule(module)


def main(way: str, name: str) -> bool:
    """Run a module's tests; return whether they passed, on servers that were observed.

    Prints how many there were, and how many of them skipped themselves.
    """
    {"observed": observe, "threading": stand_in}[way]()
    served: list[str] = []
    show = Service.show

    def noting(service: Service, server: Any) -> None:
        served.append(service.kind)
        show(service, server)

    Service.show = noting  # type: ignore[method-assign, assignment]
    result = unittest.TextTestRunner(verbosity=2).run(tests_of(way, name))
    sys.stdout.write(f"{result.testsRun} {len(result.skipped)}\n")
    _, least = MODULES[name]
    return result.wasSuccessful() and bool(served) and result.testsRun >= least


if __name__ == "__main__":
    sys.exit(not main(*sys.argv[1:]))
