"""What stands between a client and a server and counts what passes: bytes, connections and how they end."""

import selectors
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

_RESET = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Passed:
    """What passed of one connection, or of one sender of datagrams, which has no end."""

    up: int = 0
    down: int = 0
    messages: int = 0
    replies: int = 0
    end: str = ""


class Relay:
    """Passes connections on, each with its own end."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.passed: list[Passed] = []
        self.first = b""
        """What the first client began with."""
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address: tuple[str, int] = self._listener.getsockname()
        self._start(self._accept)

    def close(self) -> None:
        """Take no more, and wait for the end of what is under way."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def cut(self, data: bytes) -> Passed:
        """Connect to the server, send, and reset; return what passed."""
        with socket.create_connection(self.target, 5) as server:
            server.sendall(data)
            server.settimeout(0.3)
            with suppress(TimeoutError):
                return Passed(up=len(data), down=len(server.recv(1 << 16)))
            server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        return Passed(up=len(data))

    def hang_up(self) -> Passed:
        """Connect to the server, say nothing, and close; return what passed."""
        with socket.create_connection(self.target, 5) as server:
            server.shutdown(socket.SHUT_WR)
            passed = Passed()
            while data := server.recv(1 << 16):
                passed.down += len(data)
        return passed

    def _start(self, function, *args) -> None:
        thread = threading.Thread(target=function, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self.target, 5)
                server.settimeout(None)
                passed = Passed()
                self.passed.append(passed)
                self._start(self._pass_both, client, server, passed)

    def _pass_both(self, client: socket.socket, server: socket.socket, passed: Passed) -> None:
        up = threading.Thread(target=self._pass_up, args=(client, server, passed))
        up.start()
        with client, server:
            passed.end = "end"
            try:
                while data := server.recv(1 << 16):
                    passed.down += len(data)
                    with suppress(OSError):
                        client.sendall(data)
                with suppress(OSError):
                    client.shutdown(socket.SHUT_WR)
            except OSError as error:
                passed.end = type(error).__name__
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RD)
            up.join()

    def _pass_up(self, client: socket.socket, server: socket.socket, passed: Passed) -> None:
        with suppress(OSError):
            while data := client.recv(1 << 16):
                self.first = self.first or data
                server.sendall(data)
                passed.up += len(data)
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)


class DatagramRelay:
    """Passes datagrams on, each sender's by a socket of its own."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self.passed: list[Passed] = []
        self._front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._front.bind(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._front.getsockname()
        self._closed = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._closed = True
        self._thread.join()

    def _run(self) -> None:
        backs: dict[tuple[str, int], socket.socket] = {}
        with selectors.DefaultSelector() as selector:
            selector.register(self._front, selectors.EVENT_READ)
            while not self._closed:
                for key, _ in selector.select(0.05):
                    sock: Any = key.fileobj
                    data, peer = sock.recvfrom(1 << 16)
                    if key.data is not None:
                        sender, passed = key.data
                        passed.down += len(data)
                        passed.replies += 1
                        self._front.sendto(data, sender)
                        continue
                    if peer not in backs:
                        backs[peer] = back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                        self.passed.append(Passed())
                        selector.register(back, selectors.EVENT_READ, (peer, self.passed[-1]))
                    passed = selector.get_key(backs[peer]).data[1]
                    passed.up += len(data)
                    passed.messages += 1
                    backs[peer].sendto(data, self._target)
        for sock in (self._front, *backs.values()):
            sock.close()
