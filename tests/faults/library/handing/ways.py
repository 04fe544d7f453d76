"""Ways in which a hook hands a request on, be it a connection or a datagram."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

pool = ThreadPoolExecutor(4)


class Elsewhere:
    def process_request(self, request, client_address):
        pool.submit(super().process_request, request, client_address)  # type: ignore[misc]


class InAPool:
    def process_request(self: Any, request, client_address):
        pool.submit(self.process_request_thread, request, client_address)


class StepByStep:
    def process_request(self: Any, request, client_address):
        def serve():
            self.finish_request(request, client_address)
            self.shutdown_request(request)

        pool.submit(serve)
