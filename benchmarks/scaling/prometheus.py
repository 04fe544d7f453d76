"""What Prometheus takes for series that it scrapes: memory a series, and bytes on disk a sample."""

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from benchmarks.generator import Load
from benchmarks.programs import OURS, START_TIMEOUT, Process, Server, Workshop, resident_bytes
from benchmarks.scaling.model import Points
from benchmarks.scaling.points import scrape

TARGETS = (50, 100, 200, 400, 800)
"""How many replicas are scraped, the last number held back; each shows the metrics of one real server."""

INTERVAL = 5
"""Seconds between two scrapes of one."""

WARM = 75.0
"""Seconds until memory is read: 15 samples of each series, and some collections of garbage."""

BLOCK = 120
"""Seconds of a block in which the size of a sample on disk is measured. It is written after one and a half
times that, and its chunks have 120 samples, as any others, since series are scraped each second."""


class _Replicas(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, *_: Any) -> None:
        """Say nothing of a Prometheus that was ended."""


class _Shown(BaseHTTPRequestHandler):
    """Answers any scrape with what the real server showed last."""

    protocol_version = "HTTP/1.1"
    text = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(self.text)))
        self.end_headers()
        self.wfile.write(self.text)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def memory(workshop: Workshop, program: str) -> Points:
    """Return the resident memory of a Prometheus that scrapes this many series, in bytes."""
    found = []
    with _shown(workshop, INTERVAL) as port:
        for count in TARGETS:
            with _prometheus(workshop, program, port, count, INTERVAL) as (process, url):
                time.sleep(WARM)
                resident = resident_bytes(process)
                found.append((_value(url, "prometheus_tsdb_head_series"), resident))
    return found


def sample(workshop: Workshop, program: str) -> float:
    """Return the size of a sample in a block on disk, counting chunks alone, in bytes."""
    options = (
        f"--storage.tsdb.min-block-duration={BLOCK}s",
        f"--storage.tsdb.max-block-duration={BLOCK}s",
    )
    chunks, samples = (
        "prometheus_tsdb_compaction_chunk_size_bytes_sum",
        "prometheus_tsdb_compaction_chunk_samples_sum",
    )
    with (
        _shown(workshop, 1) as port,
        _prometheus(workshop, program, port, TARGETS[0], 1, *options) as (_, url),
    ):
        until = time.monotonic() + 4 * BLOCK
        while not _value(url, samples) and time.monotonic() < until:
            time.sleep(1)
        return _value(url, chunks) / _value(url, samples)


@contextmanager
def _shown(workshop: Workshop, interval: int) -> Iterator[int]:
    """Show a server under load at one port of all of 127/8, with fresh figures for each interval."""
    ended = threading.Event()
    shown = _Replicas(("0.0.0.0", 0), _Shown)
    with workshop.serving(OURS, keep=False) as server:
        _Shown.text = scrape(server)
        load = workshop.running([workshop.generator, *Load(8, False, 3_600, rate=200).arguments(server.url)])
        threads = [
            threading.Thread(target=shown.serve_forever),
            threading.Thread(target=_look, args=(server, interval, ended)),
        ]
        with load:
            for thread in threads:
                thread.start()
            try:
                yield shown.server_address[1]
            finally:
                ended.set()
                shown.shutdown()
                for thread in threads:
                    thread.join()
                shown.server_close()


def _look(server: Server, interval: int, ended: threading.Event) -> None:
    while not ended.wait(interval / 2):
        _Shown.text = scrape(server)


@contextmanager
def _prometheus(
    workshop: Workshop, program: str, port: int, targets: int, interval: int, *options: str
) -> Iterator[tuple[Process, str]]:
    folder = workshop.folder / f"prometheus-{targets}-{interval}"
    folder.mkdir()
    listen = workshop.url("tcp").removeprefix("tcp://")
    addresses = [f"127.1.{number // 250}.{number % 250 + 1}:{port}" for number in range(targets)]
    (folder / "prometheus.yml").write_text(
        json.dumps(
            {
                "global": {"scrape_interval": f"{interval}s", "scrape_timeout": f"{interval}s"},
                "scrape_configs": [{"job_name": "server", "static_configs": [{"targets": addresses}]}],
            }
        ),
        encoding="utf-8",
    )
    command = [
        program,
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={listen}",
        "--log.level=error",
        *options,
    ]
    with workshop.running(command) as process:
        url = f"http://{listen}"
        _wait(url, process)
        yield process, url


def _wait(url: str, process: Process) -> None:
    until = time.monotonic() + START_TIMEOUT
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("Prometheus did not start")


def _value(url: str, name: str) -> float:
    """Return one of Prometheus' own metrics."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))
