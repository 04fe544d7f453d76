"""The client and servers that no one here wrote: its scripts, and what it records of their own clients."""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from socketscope.replay.script.compiler import load

from .peers import PATIENCE, PEERS, Peer

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "client" / "scripts" / "peers"
COMMAND = (sys.executable, "-m", "client")


@pytest.fixture(params=PEERS.values(), ids=list(PEERS))
def peer(request: pytest.FixtureRequest) -> Peer:
    found: Peer = request.param
    if found.missing:
        pytest.skip(f"not installed: {', '.join(found.missing)} (CONTRIBUTING.md says how)")
    return found


def replay(scripts: Path, port: int, *options: str) -> dict[str, Any]:
    ended = subprocess.run(
        [*COMMAND, "replay", scripts, "--target", f"tcp://127.0.0.1:{port}", "--summary", "json",
         "--connect", "pass", *options],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    summary: dict[str, Any] = json.loads(ended.stdout)
    assert (ended.returncode, summary["failed"]) == (0, 0), summary["first_failure"]
    return summary


PER_PASS = {
    "redis": {
        "ping": 1, "set": 1, "get": 2, "incrby": 1, "incr": 2, "rpush": 1, "lrange": 1, "echo": 1, "del": 1,
    },
    "memcached": {
        "cmd_get": 3, "cmd_set": 3, "get_hits": 2, "get_misses": 1, "incr_hits": 1, "decr_hits": 1,
        "delete_hits": 2, "delete_misses": 1,
    },
    "smtp": {"messages": 1},
    "beanstalkd": {
        "put": 1, "peek": 1, "reserve-with-timeout": 3, "delete": 2, "use": 1, "watch": 1, "ignore": 1,
        "release": 1, "stats-job": 1,
    },
}  # fmt: skip


@pytest.mark.parametrize("connect", ["pass", "user"])
def test_its_script_is_green_and_what_it_counted_is_what_was_said(peer: Peer, connect, tmp_path):
    with peer.running(tmp_path / "peer") as port:
        script = SCRIPTS / f"{peer.name}.talk"
        summary = replay(script, port, "--users", "4", "--loops", "25", "--connect", connect)
        assert summary["passes"] == 100
        assert peer.count(port, tmp_path / "peer") == {
            name: 100 * times for name, times in PER_PASS[peer.name].items()
        }


def redis_client(port: int, _: Path) -> None:
    redis_cli = ("redis-cli", "-p", f"{port}")
    say(*redis_cli, "SET", "greeting", "hello")
    say(*redis_cli, "GET", "greeting")
    say(*redis_cli, "-x", "SET", "bytes", given=b"\xff\0x")
    say(*redis_cli, "GET", "bytes")
    say(*redis_cli, "INCR", "counter")
    say(*redis_cli, "RPUSH", "list", "a", "b", "c")
    say(*redis_cli, "LRANGE", "list", "0", "-1")
    say(*redis_cli, "GET", "absent")
    say(*redis_cli, "NOSUCH", ok=False)


def memcached_client(port: int, folder: Path) -> None:
    server = f"--servers=127.0.0.1:{port}"
    (folder / "greeting").write_text("hello\nthere\n")
    (folder / "bytes").write_bytes(bytes(range(256)))
    say("memccp", server, str(folder / "greeting"), str(folder / "bytes"))
    say("memccat", server, "greeting", "bytes")
    say("memcexist", server, "greeting")
    say("memcrm", server, "greeting")
    say("memcexist", server, "absent", ok=False)


def smtp_client(port: int, _: Path) -> None:
    for recipient in ("a@example.org", "b@example.org,c@example.org"):
        say("swaks", "--server", f"127.0.0.1:{port}", "--from", "me@example.org", "--to", recipient)


def beanstalkd_client(port: int, _: Path) -> None:
    program = (
        "import sys, greenstalk\n"
        "with greenstalk.Client(('127.0.0.1', int(sys.argv[1]))) as client:\n"
        "    number = client.put('hello')\n"
        "    job = client.reserve(timeout=5)\n"
        "    assert (job.id, job.body) == (number, 'hello')\n"
        "    client.delete(job)\n"
    )
    say(sys.executable, "-c", program, f"{port}")


CLIENTS: dict[str, Callable[[int, Path], None]] = {
    "redis": redis_client,
    "memcached": memcached_client,
    "smtp": smtp_client,
    "beanstalkd": beanstalkd_client,
}


def say(*command: str, ok: bool = True, given: bytes = b"") -> None:
    ended = subprocess.run(command, input=given, capture_output=True, timeout=PATIENCE, check=False)
    assert not ok or ended.returncode == 0, ended


@contextlib.contextmanager
def recording(target: int, folder: Path) -> Iterator[int]:
    """Record what a server's clients say while the block lasts; yield the port that they go to."""
    process = subprocess.Popen(
        [*COMMAND, "record", "--listen", "tcp://127.0.0.1:0", "--target", f"tcp://127.0.0.1:{target}",
         folder],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        yield int(process.stderr.readline().partition(" hands on")[0].rpartition(":")[2])
    finally:
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 0
    assert "left out" not in told


def test_what_its_own_clients_say_is_recorded_and_replayed(peer: Peer, tmp_path):
    scripts = tmp_path / "scripts"
    with peer.running(tmp_path / "first") as port:
        with recording(port, scripts) as recorder:
            CLIENTS[peer.name](recorder, tmp_path)
        recorded = peer.count(port, tmp_path / "first")
    # What was said depends on what the server had in it: nothing.
    with peer.running(tmp_path / "second") as port:
        replay(scripts, port)
        assert peer.count(port, tmp_path / "second") == recorded
    assert recorded


def test_the_example_that_users_read_is_green(tmp_path):
    if PEERS["redis"].missing:
        pytest.skip("redis-server is not installed")
    script = tmp_path / "redis.talk"
    script.write_text(
        (ROOT / "README.md").read_text().split("write `redis.talk`:\n\n```\n")[1].split("```")[0]
    )
    with PEERS["redis"].running(tmp_path / "peer") as port:
        assert replay(script, port, "--users", "4", "--loops", "10")["ok"] == 40 * 6


def test_a_folder_of_scripts_is_played_without_those_in_folders_of_it():
    played = {program.file for program in load(SCRIPTS.parent)}
    assert played
    assert not any("peers" in file for file in played)
