"""Runs CPython's own tests of socketserver on the stand-ins: `python -m tests.faults.library.conformance`.

Left out, and why:

- `MiscTestCase.test_all` compares the standard library's list of names with where each is defined.
- `ErrorHandlerTest.test_sync_*` and `test_forking_*` are about servers without threads, which there are none
  of here. `SocketServerTest.test_Forking*` run, on the standard library's classes.
- `ErrorHandlerTest.test_threading_not_handled` wants a handler's SystemExit to end its thread; here it is
  counted, and the thread goes on.
- `MiscTestCase.test_threads_reaped` looks into ThreadingMixIn's list of threads, which is not used here.
"""

import socketserver
import sys
import unittest

from test import support, test_socketserver  # type: ignore[import-not-found]  # not in typeshed

import socketscope

# The module looks the classes up while its tests run. Those without threads of their own are stood in for
# too: what the tests expect of them holds for the others all the same, and the mixin adds nothing to them.
for base in ("TCPServer", "UDPServer", "UnixStreamServer", "UnixDatagramServer"):
    stand_in = getattr(socketscope, f"Threading{base}")
    setattr(socketserver, base, stand_in)
    setattr(socketserver, f"Threading{base}", stand_in)
socketserver.ThreadingMixIn = type("ThreadingMixIn", (), {})  # type: ignore[assignment, misc]

# These it has looked up already.
test_socketserver.ThreadingErrorTestServer.__bases__ = (test_socketserver.BaseErrorTestServer,)
test_socketserver.BaseErrorTestServer.__bases__ = (socketscope.ThreadingTCPServer,)

# Whatever opens a socket is a resource that the interpreter's own test runner enables.
support.use_resources = ["network"]

LEFT_OUT = {
    test_socketserver.MiscTestCase: ("test_all", "test_threads_reaped"),
    test_socketserver.ErrorHandlerTest: (
        "test_sync_handled",
        "test_sync_not_handled",
        "test_forking_handled",
        "test_forking_not_handled",
        "test_threading_not_handled",
    ),
}
for case, names in LEFT_OUT.items():
    for name in names:
        delattr(case, name)

if __name__ == "__main__":
    program = unittest.main(module=test_socketserver, argv=["conformance", "-v"], exit=False)
    sys.exit(not program.result.wasSuccessful())
