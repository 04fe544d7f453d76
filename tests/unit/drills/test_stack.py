import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

from drills.stack import Stack

FIRING = b'{"data": {"alerts": [{"labels": {"alertname": "NoServer"}, "state": "firing"}]}}'


class Prometheus(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(FIRING)

    def log_message(self, *_):
        pass


def test_prometheus_is_asked_itself_where_the_environment_has_a_proxy(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setattr(urllib.request, "_opener", None)  # made by whoever asked before
    stack = Stack.__new__(Stack)
    with HTTPServer(("127.0.0.1", 0), Prometheus) as server:
        stack.prometheus = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.handle_request)
        server.timeout = 10
        thread.start()
        assert list(stack.firing()) == ["NoServer"]
        thread.join()
