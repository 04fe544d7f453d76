"""Standard streams that are full, closed, or that nobody reads any more."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.faults.replay.test_replay import COMMAND, PATIENCE, ROOT, echo, serving, write
from tests.faults.server.process import serving as serving_metrics

ASK = "> hello\n< hello\n"
FULL = "client: cannot write to standard output: No space left on device\n"


def greet(connection: socket.socket) -> None:
    connection.sendall(b"hello\n")


def redirected(redirection: str, *arguments: str | Path) -> tuple[int, str, str]:
    """Run a command behind a shell's redirection; return its status and what came all the same."""
    ended = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND, *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    return ended.returncode, ended.stdout, ended.stderr


def unread(*arguments: str | Path) -> tuple[int, str]:
    """Run a command whose output nobody reads; return its status and what it says of that."""
    process = subprocess.Popen(
        [*COMMAND, *arguments], cwd=ROOT, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as errors:
        said = errors.read()
    return process.wait(PATIENCE), said


def test_an_output_that_is_full_is_one_line_and_no_verdict(tmp_path):
    script, page = write(tmp_path, ASK), tmp_path / "page.html"
    assert redirected(">/dev/full", "--help") == (74, "", FULL)
    assert redirected(">/dev/full", "check", script) == (74, "", FULL)
    with serving(greet) as target:
        assert redirected(">/dev/full </dev/null", "talk", "--keep", "--target", target) == (74, "", FULL)
    with serving(echo) as target:
        replay = redirected(">/dev/full", "replay", script, "--target", target, "--report", page)
    assert replay == (74, "", FULL)
    assert page.read_text().endswith("</html>\n")
    with serving_metrics() as server:
        assert redirected(">/dev/full", "top", "--interval", "10ms", server.metrics_url) == (74, "", FULL)


def test_an_output_whose_reader_has_gone_is_no_verdict_and_nothing_to_complain_of(tmp_path):
    script, page = write(tmp_path, ASK), tmp_path / "page.html"
    assert unread("check", script) == (74, "")
    with serving(greet) as target:
        assert unread("talk", "--keep", "--target", target) == (74, "")
    with serving(echo) as target:
        assert unread("replay", script, "--target", target, "--report", str(page)) == (74, "")
    assert page.read_text().endswith("</html>\n")


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
def test_what_cannot_be_complained_of_changes_no_status(tmp_path, redirection):
    assert redirected(redirection, "check", tmp_path / "absent.talk") == (3, "", "")
    with serving(echo) as target:
        status, shown, _ = redirected(redirection, "replay", "-v", write(tmp_path, ASK), "--target", target)
    assert (status, shown.partition("\n")[0]) == (0, "PASS")


def test_a_stream_that_is_closed_is_one_that_nobody_wants(tmp_path):
    script = write(tmp_path, ASK)
    with serving(echo) as target:
        assert redirected("<&-", "talk", "--target", target) == (0, "> \n", "")
        assert redirected(">&- 2>&- <&-", "replay", script, "--target", target) == (0, "", "")
    assert redirected(">&-", "check", script) == (0, "", "")
    status, _, said = redirected("<&-", "check", "-")
    assert (status, said.partition("\n")[0]) == (3, "<stdin>:1:1: nothing is sent and nothing expected")


def test_what_a_library_has_opened_in_place_of_a_closed_stream_is_left_alone(tmp_path, monkeypatch):
    held = tmp_path / "held"
    held.write_text("of the library\n")
    (tmp_path / "sitecustomize.py").write_text(f"import os\nos.open({str(held)!r}, os.O_RDWR)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with serving(echo) as target:
        assert redirected("<&-", "talk", "--target", target) == (0, "> \n", "")
    assert redirected(">&-", "check", write(tmp_path, ASK)) == (0, "", "")
    assert held.read_text() == "of the library\n"


def test_an_output_that_knows_few_characters_has_the_others_escaped(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    script = write(tmp_path, "> \\xe6\\xbc\\xa2\n< 漢!\n")
    status, said, _ = redirected("", "check", script)
    assert (status, "\\u6f22!" in said) == (0, True)
    with serving(echo) as target:
        status, said, _ = redirected("", "replay", script, "--target", target)
    assert (status, "\\u6f22!" in said) == (1, True)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("keep", [(), ("--keep",)])
def test_a_prompt_hands_on_bytes_whatever_the_encoding(encoding, keep):
    with serving(echo) as target:
        ended = subprocess.run(
            [*COMMAND, "talk", *keep, "--target", target], cwd=ROOT, capture_output=True, check=False,
            input="漢é\n".encode() + b"\xff\n", timeout=PATIENCE,
            env={**os.environ, "PYTHONIOENCODING": encoding},
        )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert "> 漢é\n".encode() + (b"> \xff\n") in ended.stdout
