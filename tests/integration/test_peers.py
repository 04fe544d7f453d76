"""The client and servers that no one here wrote: its scripts, and what it records of their own clients."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from socketscope.replay.script.compiler import load

from .peers import PEERS
from .peers.peer import PATIENCE, Peer, Place

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "client" / "scripts" / "peers"
COMMAND = (sys.executable, "-m", "client")


RECORDED = [peer for peer in PEERS.values() if peer.client is not None]


def installed(request: pytest.FixtureRequest) -> Peer:
    found: Peer = request.param
    if found.missing:
        pytest.skip(f"not installed: {', '.join(found.missing)} (CONTRIBUTING.md says how)")
    return found


@pytest.fixture(params=PEERS.values(), ids=list(PEERS))
def peer(request):
    return installed(request)


@pytest.fixture(params=RECORDED, ids=[peer.name for peer in RECORDED])
def recorded_peer(request):
    return installed(request)


def played(scripts: Path, *options: str, secrets: dict[str, str] | None = None) -> dict[str, Any]:
    ended = subprocess.run(
        [*COMMAND, "replay", scripts, "--summary", "json", *options],
        cwd=ROOT, env=os.environ | (secrets or {}), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.stdout, ended.stderr
    summary: dict[str, Any] = json.loads(ended.stdout)
    assert (ended.returncode == 0) == (summary["verdict"] == "pass")
    return summary


def assert_green(summary: dict[str, Any]) -> None:
    assert (summary["verdict"], summary["failed"]) == ("pass", 0), summary["first_failure"]


@pytest.mark.parametrize("connect", ["pass", "user"])
def test_its_script_is_green_and_what_it_counted_is_what_was_said(peer: Peer, connect):
    passes = peer.users * peer.loops
    with peer.running() as place:
        script = SCRIPTS / f"{peer.name}.talk"
        summary = played(
            script, *peer.target(place), "--users", f"{peer.users}", "--loops", f"{peer.loops}",
            "--connect", connect,
        )  # fmt: skip
        assert_green(summary)
        assert summary["passes"] == passes
        expected = {name: passes * times for name, times in peer.a_pass.items()}
        assert_counted(peer, place, lambda: expected)


def assert_counted(peer: Peer, place: Place, expected: Callable[[], dict[str, int]]) -> None:
    """Some write down what they did when the client has gone already."""
    give_up_at = time.monotonic() + PATIENCE
    while (counted := peer.count(place)) != (told := expected()) and time.monotonic() < give_up_at:
        time.sleep(0.1)
    assert counted == told


@contextlib.contextmanager
def recording(peer: Peer, place: Place, folder: Path, scripts: Path) -> Iterator[Place]:
    """Record what a server's clients say while the block lasts; yield the place that they go to."""
    target = peer.url.format_map(vars(place))
    listen = f"unix://{folder}/socket" if target.startswith("unix:") else "tcp://127.0.0.1:0"
    process = subprocess.Popen(
        [*COMMAND, "record", "--listen", listen, "--target", target, scripts],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        port = process.stderr.readline().partition(" forwards to")[0].rpartition(":")[2]
        yield Place(int(port) if port.isdecimal() else 0, 0, folder)
    finally:
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 0
    assert "left out" not in told


def test_what_its_own_clients_say_is_recorded_and_replayed(recorded_peer: Peer, tmp_path):
    peer, scripts = recorded_peer, tmp_path / "scripts"
    assert peer.client is not None
    with peer.running() as first:
        with recording(peer, first, tmp_path, scripts) as recorder:
            peer.client(recorder)
        # What was said depends on what the server had in it: nothing, as this one.
        with peer.running() as second:
            summary = played(scripts, *peer.target(second), secrets=peer.secrets)
            if peer.differs:
                assert peer.differs in summary["first_failure"]["expected"]
                return
            assert_green(summary)
            assert_counted(peer, second, lambda: peer.count(first))


def test_the_example_that_users_read_is_green(tmp_path):
    if PEERS["redis"].missing:
        pytest.skip("redis-server is not installed")
    script = tmp_path / "redis.talk"
    script.write_text((ROOT / "README.md").read_text().split("`redis.talk`:\n\n```\n")[1].split("```")[0])
    with PEERS["redis"].running() as place:
        options = ("--connect", "pass", "--users", "4", "--loops", "10")
        summary = played(script, *PEERS["redis"].target(place), *options)
        assert_green(summary)
        assert summary["ok"] == 40 * 6


def test_a_folder_of_scripts_is_played_without_those_in_folders_of_it():
    files = [Path(program.file) for program in load(SCRIPTS.parent)]
    assert files
    assert {file.parent for file in files} == {SCRIPTS.parent}
