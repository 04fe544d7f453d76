"""A child process of one that serves, be it forked by a handler or to serve the same listener."""

import subprocess
import sys

from tests.faults.server.process import PATIENCE, ROOT

PROGRAM = """
import os, signal, socketserver, threading
import socketscope

server = socketscope.ThreadingTCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
server._socketscope.serving.wait()
if not (child := os.fork()):
    signal.alarm(10)
    server.shutdown()
    server.server_close()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), server._socketscope.serving.is_set())
server.shutdown()
"""


def test_it_closes_what_it_has_inherited_and_its_parent_serves_on():
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert ended.stdout == "0 True\n", ended.stderr
