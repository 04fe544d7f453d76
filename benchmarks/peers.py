"""The same service without any observation: `python -m benchmarks.peers NAME PORT [keep]`."""

import asyncio
import socketserver
import sys
import time

KEEP = "keep" in sys.argv


class Handler(socketserver.StreamRequestHandler):
    """Answers as the timestamp service does."""

    def handle(self) -> None:
        """Answer one line, or all."""
        while line := self.rfile.readline():
            self.wfile.write(b"[%b] %b" % (time.ctime().encode(), line))
            if not KEEP:
                break


class Server(socketserver.ThreadingTCPServer):
    """The standard library's server, with a backlog that does not refuse the load."""

    allow_reuse_address = True
    request_queue_size = 1024
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that end with the measurement."""


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one line, or all."""
    try:
        while line := await reader.readline():
            writer.write(b"[%b] %b" % (time.ctime().encode(), line))
            await writer.drain()
            if not KEEP:
                break
    except ConnectionError:
        pass  # the measurement has ended
    finally:
        writer.close()


async def serve_asyncio(port: int) -> None:
    """Serve with bare asyncio streams."""
    server = await asyncio.start_server(answer, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "asyncio":
        asyncio.run(serve_asyncio(int(sys.argv[2])))
    else:
        Server(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
