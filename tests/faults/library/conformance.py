"""Runs CPython's own tests of socketserver on the stand-ins: `python -m tests.faults.library.conformance`."""

import socketserver
import sys
import unittest

import socketscope

for name in (
    "ThreadingTCPServer",
    "ThreadingUDPServer",
    "ThreadingUnixStreamServer",
    "ThreadingUnixDatagramServer",
):
    setattr(socketserver, name, getattr(socketscope, name))

from test import support, test_socketserver  # type: ignore[import-not-found]  # noqa: E402 - looks the classes up now

# Whatever opens a socket is a resource that the interpreter's own test runner enables.
support.use_resources = ["network"]

# Compares the standard library's list of names with where each is defined.
del test_socketserver.MiscTestCase.test_all

if __name__ == "__main__":
    program = unittest.main(module=test_socketserver, argv=["conformance", "-v"], exit=False)
    sys.exit(not program.result.wasSuccessful())
