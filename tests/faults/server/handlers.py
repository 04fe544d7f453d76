"""Request handlers, written against the standard library alone, that misbehave in one way each."""

import contextlib
import errno
import os
import socketserver
import sys
import threading
import time
from pathlib import Path


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(4096):
            self.request.sendall(data)


class Large(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        self.wfile.write(b"x" * (64 << 20))


class Slow(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline()
        time.sleep(0.5)
        self.wfile.write(line)


MEETING = 60


class Meeting(socketserver.StreamRequestHandler):
    """Answers once so many are in it at the same time."""

    everybody = threading.Barrier(MEETING)

    def handle(self):
        line = self.rfile.readline()
        self.everybody.wait()
        self.wfile.write(line)


class Greeting(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"hello\n")
        self.wfile.write(self.rfile.readline())


class Settings(socketserver.StreamRequestHandler):
    """Tells what its process has set, and how often its thread has served."""

    local = threading.local()

    def handle(self):
        self.local.served = getattr(self.local, "served", 0) + 1
        told = f"{sys.getswitchinterval():g} {os.sched_getscheduler(0)} {self.local.served}"
        self.wfile.write(told.encode())


class Stuck(socketserver.BaseRequestHandler):
    def handle(self):
        time.sleep(60)


class Failing(socketserver.StreamRequestHandler):
    def handle(self):
        match self.rfile.readline().strip():
            case b"error":
                raise ValueError("as asked")
            case b"exit":
                sys.exit(5)
            case b"memory":
                raise MemoryError
            case b"file":
                Path("/nowhere/at/all").read_bytes()
            case b"backend":
                raise ConnectionResetError(errno.ECONNRESET, "another server's")
            case line:
                self.wfile.write(line)


class Garrulous(socketserver.StreamRequestHandler):
    """Writes to standard output as it is asked to."""

    def handle(self):
        line = self.rfile.readline()
        match line.split():
            case [b"print", size]:
                print('{"event": "mine",', f'"text": "{"x" * int(size)}"}}')  # noqa: T201 - what it is for
            case [b"say", size]:
                sys.stdout.write('{"event": "mine", "text": "%s"}\n' % ("x" * int(size)))
            case [b"write", size]:
                os.write(1, b'{"event": "mine", "text": "%s"}\n' % (b"x" * int(size)))
            case [b"fail"]:
                raise ValueError("\x01" * (1 << 20))
        self.wfile.write(line)


class BrokenSetup(socketserver.StreamRequestHandler):
    def setup(self):
        super().setup()
        raise RuntimeError("setup")


class SlowDatagram(socketserver.DatagramRequestHandler):
    def handle(self):
        time.sleep(0.1)
        self.wfile.write(self.rfile.read())


class Hoarder(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline()
        with contextlib.ExitStack() as held:
            for _ in range(int(line)):
                held.enter_context(open(os.devnull, "rb"))  # noqa: PTH123 - a descriptor, no more
            self.wfile.write(line)
            self.rfile.read()


class Miser(socketserver.StreamRequestHandler):
    """Has every descriptor that there is, until it is asked."""

    def handle(self):
        with contextlib.ExitStack() as held:
            with contextlib.suppress(OSError):
                while True:
                    held.enter_context(open(os.devnull, "rb"))  # noqa: PTH123 - a descriptor, no more
            line = self.rfile.readline()
        self.wfile.write(line)


class Closer(socketserver.StreamRequestHandler):
    def handle(self):
        self.server.socket.close()  # type: ignore[attr-defined]  # every one of the standard library's has it


class Stopper(socketserver.StreamRequestHandler):
    """Stops its server amid a request."""

    def handle(self):
        self.rfile.readline()
        self.server.shutdown()
        self.wfile.write(self.rfile.readline())


class Parent(socketserver.StreamRequestHandler):
    """Leaves a thread behind that stays."""

    def handle(self):
        self.wfile.write(self.rfile.readline())
        threading.Thread(target=threading.Event().wait, daemon=False).start()
