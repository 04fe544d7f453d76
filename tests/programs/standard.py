"""Programs of Python itself."""

import json
import logging.config
import pydoc
import socket
import struct
import time
from typing import Any

from tests.programs.program import Made, Program
from tests.programs.web import ask


def make_logging() -> Made:
    thread: Any = logging.config.listen(0)
    thread.start()
    thread.ready.wait()
    while (server := vars(logging.config)["_listener"]) is None:
        time.sleep(0.01)

    def stop() -> None:
        logging.config.stopListening()
        thread.join()

    return Made(server, lambda: None, stop)


def ask_logging(address: tuple[str, int], number: int) -> Any:
    name = f"trial-{number}"
    logging.getLogger(name).setLevel("DEBUG")
    settings = {"version": 1, "incremental": True, "loggers": {name: {"level": "ERROR"}}}
    data = json.dumps(settings).encode()
    with socket.create_connection(address, 10) as client:
        client.sendall(struct.pack(">L", len(data)) + data)
        client.shutdown(socket.SHUT_WR)
        return client.recv(1), logging.getLogger(name).level


def make_pydoc() -> Made:
    private = vars(pydoc)
    thread = private["_start_server"](private["_url_handler"], "127.0.0.1", 0)
    return Made(thread.docserver, lambda: None, thread.stop)


def ask_pydoc(address: tuple[str, int], number: int) -> Any:
    return ask(address, "GET", "/socketserver.html")[:2], ask(address, "GET", f"/nothing-{number}.html")[:2]


PROGRAMS = {
    "logging.config": Program(
        package=None, make=make_logging, talk=ask_logging,
        uses="`listen()`: `ThreadingTCPServer`, a loop of its own on `handle_request`",
    ),
    "pydoc": Program(
        package=None, make=make_pydoc, talk=ask_pydoc, threads=False,
        uses="`python -m pydoc -p`: `HTTPServer`, serial, a loop of its own on `handle_request`",
    ),
}  # fmt: skip
