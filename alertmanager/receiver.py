"""Prints a line for each alert, for those who have no other receiver."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PORT = 9000


class Receiver(BaseHTTPRequestHandler):
    """Takes notifications of Alertmanager's webhook."""

    def do_POST(self) -> None:
        """Print each alert of a notification."""
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for alert in told["alerts"]:
            print(as_line(alert), flush=True)
        self.send_response(200)
        self.end_headers()

    def log_request(self, *_: object) -> None:
        """Print nothing: standard output is for alerts."""


def as_line(alert: dict[str, Any]) -> str:
    """Return an alert of a notification for a person: state, severity, name, what it says, and its page."""
    labels, said = alert["labels"], alert["annotations"]
    return (
        f"{alert['status']:8} {labels.get('severity', ''):6} {labels['alertname']}: {said.get('summary', '')}"
        f"  {said.get('runbook_url', '')}".rstrip()
    )


if __name__ == "__main__":
    ThreadingHTTPServer(("", PORT), Receiver).serve_forever()
