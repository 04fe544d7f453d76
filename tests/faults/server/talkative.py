"""Request handlers that log, each as the documentation of its library says."""

import asyncio
import logging
import os
import socketserver
import threading
import time
import warnings

import structlog

log = structlog.get_logger()
shop = logging.getLogger("shop")


class Structured(socketserver.StreamRequestHandler):
    def setup(self):
        super().setup()
        log.info("set_up")

    def handle(self):
        token = self.rfile.readline().decode().strip()
        log.info("order_placed", token=token)
        self.wfile.write(b"done\n")

    def finish(self):
        super().finish()
        log.warning("finished %s", "in order")


class Recorded(socketserver.StreamRequestHandler):
    def handle(self):
        token = self.rfile.readline().decode().strip()
        shop.info("order %s placed", token, extra={"token": token})
        self.wfile.write(b"done\n")


class Both(socketserver.StreamRequestHandler):
    def handle(self):
        token = self.rfile.readline().decode().strip()
        asyncio.run(self._order(token))
        self.wfile.write(b"done\n")

    async def _order(self, token):
        log.info("order_placed", token=token)
        await asyncio.sleep(0)
        await asyncio.gather(log.ainfo("paid", token=token), asyncio.to_thread(shop.info, "order %s", token))


class Crowded(socketserver.StreamRequestHandler):
    """Twenty-six lines a connection, in each way; some at a time when other handlers write theirs."""

    served = 0

    def setup(self):
        super().setup()
        self.token = self.rfile.readline().decode().strip()
        log.info("line", token=self.token)

    def handle(self):
        Crowded.served += 1
        structlog.contextvars.bind_contextvars(bound=self.token)
        for _ in range(10):
            log.info("line", token=self.token)
        time.sleep(0)
        bound = log.bind(token=self.token)
        for _ in range(10):
            bound.info("line")
        if Crowded.served % 50 == 0:
            asyncio.run(self._lines())
        for _ in range(4):
            shop.info("line", extra={"token": self.token})
        self.wfile.write(b"done\n")

    async def _lines(self):
        await asyncio.gather(
            log.ainfo("line", token=self.token),
            asyncio.to_thread(log.info, "line", token=self.token),
        )

    def finish(self):
        super().finish()
        log.info("line", token=self.token)


class Asked(socketserver.StreamRequestHandler):
    """Does what its client asks for."""

    def handle(self):
        what = self.rfile.readline().decode().strip()
        try:
            getattr(self, f"_{what}")()
        finally:
            self.wfile.write(b"done\n")

    def _caught(self):
        try:
            raise LookupError("as asked")
        except LookupError:
            log.exception("caught", tries=1)
            shop.exception("caught %s", "too")

    def _raised(self):
        raise LookupError("as asked")

    def _thread(self):
        def fail():
            raise LookupError("in a thread")

        thread = threading.Thread(target=fail, name="worker of the program's")
        thread.start()
        thread.join()

    def _warned(self):
        warnings.warn("it is odd", stacklevel=1)

    def _printed(self):
        print("what is", "no object")  # noqa: T201 - what it is for

    def _cleared(self):
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request="mine")
        log.info("cleared")

    def _named(self):
        structlog.get_logger("shop.orders").info("named")

    def _odd(self):
        circle: dict[str, object] = {"text": "a\x1b[2J"}
        circle["itself"] = circle
        log.info("odd", circle=circle, number=1 << 70, data=b"\xff", surrogate="\udcff", keys={1: {2}})

    def _extra(self):
        shop.warning("sold %s", 7, extra={"event": "sale", "level": "high", "logger": "till", "amount": 5})

    def _long(self):
        log.info("long", text="x" * (1 << 20), token="kept")
        shop.info("y" * (1 << 20))

    def _levels(self):
        for logger in (log, shop):
            for level in ("debug", "info", "warning", "error", "critical"):
                getattr(logger, level)("told")

    def _forked(self):
        child = os.fork()
        if not child:
            log.info("in a child", text="x" * 2000)
            os._exit(0)
        os.waitpid(child, 0)

    def _everything(self):
        for _ in range(20):
            log.info("line", text="x" * 500)
            shop.info("line")
            print("line")  # noqa: T201 - what it is for


class Datagrams(socketserver.DatagramRequestHandler):
    def handle(self):
        log.info("order_placed", token=self.rfile.read().decode())
        self.wfile.write(b"done")
