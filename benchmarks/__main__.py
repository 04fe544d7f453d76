"""Compares this server, fully observed, with bare peers: `python -m benchmarks`.

Where Docker's packet filter is loaded, its connection table fills after half a minute of a connection a
message, and drops what comes then. Run it in a network namespace of its own, for instance in a container
without a network.
"""

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
CLIENTS = 64
SECONDS = 3
ROUNDS = 5
PORTS = {"socketserver": 23001, "asyncio": 23002, "socketscope": 23003}
OURS = "socketscope"


def build_generator(folder: Path) -> Path:
    """Compile the load generator."""
    program = folder / "generator"
    subprocess.run(["cc", "-O2", "-pthread", "-o", str(program), str(HERE / "generator.c")], check=True)
    return program


@contextlib.contextmanager
def serving(folder: Path, mode: list[str]) -> Iterator[None]:
    """Run this server and its peers."""
    with (folder / "log.json").open("wb") as log:
        keep = ["--keep-alive"] if mode else []
        processes = [
            subprocess.Popen([sys.executable, "-m", "benchmarks.peers", name, str(PORTS[name]), *mode])
            for name in ("socketserver", "asyncio")
        ]
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "server", "--listen", f"tcp://127.0.0.1:{PORTS[OURS]}",
                 "--metrics", "127.0.0.1:23009", *keep],
                stdout=log,
            )
        )  # fmt: skip
        try:
            time.sleep(1.5)
            yield
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()


def measure(generator: Path, name: str, mode: list[str]) -> float:
    """Return the exchanges a second of a round."""
    command = [str(generator), str(PORTS[name]), str(CLIENTS), str(SECONDS), *mode]
    printed = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(printed.stdout.split()[0])


def main() -> None:
    """Print a table for each mode: the median of interleaved rounds, and the ratios round by round."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generator = build_generator(folder)
        for title, mode in (("a connection a message", []), ("persistent connections", ["keep"])):
            rates: dict[str, list[float]] = {peer: [] for peer in PORTS}
            with serving(folder, mode):
                for _ in range(ROUNDS):
                    for peer, figures in rates.items():
                        figures.append(measure(generator, peer, mode))
            print(f"{title}, {CLIENTS} clients, Python {sys.version.split()[0]}")
            for peer, figures in rates.items():
                ratios = [ours / theirs for ours, theirs in zip(rates[OURS], figures, strict=True)]
                print(
                    f"  {peer:14}{statistics.median(figures):>9.0f}/s   socketscope is "
                    f"{statistics.median(ratios):.2f} x ({min(ratios):.2f} to {max(ratios):.2f})"
                )


if __name__ == "__main__":
    main()
