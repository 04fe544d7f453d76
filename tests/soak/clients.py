"""Clients that ask line after line, a connection each: `python -m tests.soak.clients PORT N`.

They end when no connection can be had any more, and print how many were answered and what the others got.
"""

import json
import socket
import sys
import threading

GIVE_UP = 0.5
"""Seconds without a connection after which the server is held to have closed its listener."""

PATIENCE = 30.0


def ask(port: int, answered: list[int], lost: list[str]) -> None:
    """Ask until nobody listens."""
    while True:
        try:
            client = socket.create_connection(("127.0.0.1", port), timeout=GIVE_UP)
        except OSError:
            return
        with client:
            client.settimeout(PATIENCE)
            reply = b""
            try:
                client.sendall(b"x\n")
                while data := client.recv(100):
                    reply += data
            except OSError as error:
                lost.append(repr(error))
                continue
        if reply.endswith(b"] x\n"):
            answered[0] += 1
        else:
            lost.append(repr(reply))


def main() -> None:
    """Run the clients and print what came of them."""
    port, number = map(int, sys.argv[1:])
    answered, lost = [0], list[str]()
    threads = [threading.Thread(target=ask, args=(port, answered, lost)) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"answered": answered[0], "lost": lost}))


if __name__ == "__main__":
    main()
