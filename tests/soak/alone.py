"""A network namespace of its own for a test: `python -m tests.soak.alone MODULE [ARGUMENTS...]`.

A connection a message fills the table of a packet filter's connection tracking, which Docker loads on a
host, in half a minute; then handshakes are dropped. A namespace of its own has neither filter nor table.
"""

import fcntl
import runpy
import socket
import struct
import subprocess
import sys

_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1


def command(module: str, *arguments: str) -> tuple[list[str], str]:
    """Return how to run a module in a namespace of its own, or as it is with why."""
    plain = [sys.executable, "-m", module, *arguments]
    said = ""
    for unshare in (["unshare", "--net"], ["unshare", "--map-root-user", "--net"]):
        try:
            ended = subprocess.run([*unshare, "true"], capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            return plain, f"no network namespace of its own: {error}"
        if ended.returncode == 0:
            return [*unshare, sys.executable, "-m", "tests.soak.alone", module, *arguments], ""
        said = ended.stderr.strip()
    return plain, f"no network namespace of its own: {said}"


if __name__ == "__main__":
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anything:
        fcntl.ioctl(anything, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", _IFF_UP))
    del sys.argv[0]  # the module has it for its own
    runpy.run_module(sys.argv[0], run_name="__main__")
