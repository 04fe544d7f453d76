"""What TLS costs: the same server by tcp:// and tls:// in turns, `python -m benchmarks.measures.tls`.

The load comes from `replay`, which does the other half of each handshake on the same cores; what the server
alone spends is told as CPU time.
"""

import json
import ssl
import subprocess
import sys
from pathlib import Path

import click

from benchmarks import machine
from benchmarks.generator import Figures, Rounds, column, in_turns
from benchmarks.programs import ROOT, Process, Workshop, cpu_seconds, wait_until_it_answers
from benchmarks.ratios import ratio, spread

CLIENTS = 64
KINDS = ("tcp", "tls")
MODES = {"a connection a message": ("--connect", "message"), "persistent connections": ("--connect", "user")}
SCRIPT = "@eol lf\n> hello world\n<~ hello world$\n"


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--seconds", type=click.IntRange(min=1), default=5, show_default=True, help="Length of a turn.")
def main(rounds: int, seconds: int) -> None:
    """Measure, and print for each mode the plain figure, the one under TLS, and their ratio."""
    described = machine.describe()
    print(f"{machine.in_words(described)}; Python {described['versions']['Python']}, {ssl.OPENSSL_VERSION}")
    with Workshop() as workshop:
        for mode, connect in MODES.items():
            found = _measure(workshop, connect, rounds, seconds)
            rate, cpu = _row(found, "rate", 1, ".0f"), _row(found, "server_cpu", 1e6, ".1f")
            print(f"{mode}: exchanges/s {rate}; server CPU µs {cpu}")


def _row(rounds: Rounds, key: str, scale: float, form: str) -> str:
    plain, tls = (column(rounds[kind], key) for kind in KINDS)
    medians = ", ".join(f"{spread(figures).median * scale:{form}}" for figures in (plain, tls))
    return f"{medians}, {ratio(tls, plain):.2f}"


def _measure(workshop: Workshop, connect: tuple[str, ...], rounds: int, seconds: int) -> Rounds:
    """Return the exchanges a second and the server's CPU time for one, by kind and round."""
    certificate = _certificate(workshop.folder)
    script = workshop.folder / "hello.talk"
    script.write_text(SCRIPT, encoding="utf-8")
    urls = [workshop.url("tcp"), workshop.url("tcp").replace("tcp", "tls", 1)]
    command = [
        sys.executable, "-m", "server", "--metrics", "none",
        "--tls-cert", certificate, "--tls-key", certificate,
        *(word for url in urls for word in ("--listen", url)),
        *(["--keep-alive"] if "user" in connect else []),
    ]  # fmt: skip
    found: Rounds = {kind: [] for kind in KINDS}
    load = [*connect, "--users", str(CLIENTS), "--duration", f"{seconds}s"]
    with workshop.running(command) as server:
        wait_until_it_answers("the server", urls[0], server)
        for url in in_turns(urls, rounds):
            trust = ["--ca", certificate] if url.startswith("tls") else []
            found[url[:3]].append(_turn(server, [str(script), "--target", url, *trust, *load]))
    return found


def _turn(server: Process, arguments: list[str]) -> Figures:
    before = cpu_seconds(server)
    told = subprocess.run(
        [sys.executable, "-m", "client", "replay", *arguments, "--summary", "json"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout  # fmt: skip
    summary = json.loads(told)
    cpu = (cpu_seconds(server) - before) / summary["attempted"]
    return {"rate": summary["rate"]["achieved"], "server_cpu": cpu}


def _certificate(folder: Path) -> str:
    path = folder / "localhost.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", path, "-out", f"{path}.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return str(path)


if __name__ == "__main__":
    main()
