"""What Alertmanager's webhook sends is a line an alert."""

import json
import threading
import urllib.request
from http.server import ThreadingHTTPServer

from alertmanager.receiver import Receiver

TOLD = {
    "status": "firing",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "NoServer", "severity": "page"},
            "annotations": {
                "summary": "No replica answers",
                "runbook_url": "http://localhost:9090/#noserver",
            },
        },
        {"status": "resolved", "labels": {"alertname": "Bare"}, "annotations": {}},
    ],
}


def test_each_alert_is_printed_as_a_line(capsys):
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            address = f"http://127.0.0.1:{server.server_port}"
            urllib.request.urlopen(address, json.dumps(TOLD).encode(), timeout=10).close()
        finally:
            server.shutdown()
            serving.join()
    assert capsys.readouterr().out.splitlines() == [
        "firing   page   NoServer: No replica answers  http://localhost:9090/#noserver",
        "resolved        Bare:",
    ]
