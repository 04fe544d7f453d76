"""Who else has a listener."""

import errno
import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from socketscope.serve.listeners import holders
from socketscope.serve.listeners.holders import is_shared


@contextmanager
def another_process(descriptor: int) -> Iterator[None]:
    """A process that has a descriptor, until it is told to end."""
    with subprocess.Popen(
        ["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=(descriptor,)
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"x")
        process.stdin.flush()
        assert process.stdout.read(1) == b"x"  # it runs
        yield


def test_a_listener_is_shared_while_another_process_has_it(monkeypatch):
    monkeypatch.delenv("LISTEN_FDS", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_server(("", 0)) as other:
        with another_process(listener.fileno()):
            assert is_shared(listener)
            assert not is_shared(other)
        assert not is_shared(listener)


@pytest.mark.parametrize(
    ("process", "shared"),
    [(None, True), (str(os.getpid()), True), (str(os.getppid()), False)],
    ids=["nobody's", "its own", "another's"],
)
def test_what_a_service_manager_has_passed_on_it_keeps(monkeypatch, process, shared):
    monkeypatch.setenv("LISTEN_FDS", "1")
    if process is None:
        monkeypatch.delenv("LISTEN_PID", raising=False)
    else:
        monkeypatch.setenv("LISTEN_PID", process)
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_server(("127.0.0.1", 0)) as own:
        monkeypatch.setattr(holders, "_FIRST", listener.fileno())
        monkeypatch.setattr(holders, "_passed_on", holders.passed_on())
        assert is_shared(listener) == shared
        assert not is_shared(own)


def test_each_of_several_that_a_service_manager_has_passed_on_it_keeps(monkeypatch):
    monkeypatch.setenv("LISTEN_FDS", "2")
    monkeypatch.delenv("LISTEN_PID", raising=False)
    monkeypatch.setattr(holders, "_FIRST", 500)
    with ExitStack() as opened:
        passed = []
        for number in (500, 501):
            with socket.create_server(("127.0.0.1", 0)) as made:
                moved = fcntl.fcntl(made.fileno(), fcntl.F_DUPFD, number)
            passed.append(opened.enter_context(socket.socket(fileno=moved)))
        own = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        assert [each.fileno() for each in passed] == [500, 501]
        monkeypatch.setattr(holders, "_passed_on", holders.passed_on())
        assert [is_shared(each) for each in (*passed, own)] == [True, True, False]


@pytest.mark.parametrize(
    "count", ["1", "9999999", "x"], ids=["one of them a file", "some closed", "no number"]
)
def test_where_it_is_not_known_what_was_passed_on_it_may_be_any(monkeypatch, count):
    monkeypatch.setenv("LISTEN_FDS", count)
    monkeypatch.delenv("LISTEN_PID", raising=False)
    with Path(os.devnull).open("rb") as file, socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(holders, "_FIRST", file.fileno())
        monkeypatch.setattr(holders, "_passed_on", holders.passed_on())
        assert is_shared(listener)


def test_whether_a_closed_listener_is_shared_is_an_error():
    listener = socket.create_server(("127.0.0.1", 0))
    listener.close()
    with pytest.raises(OSError, match="descriptor"):
        is_shared(listener)


def test_a_listener_is_shared_while_this_process_has_a_duplicate_of_it(monkeypatch):
    monkeypatch.delenv("LISTEN_FDS", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with listener.dup():
            assert is_shared(listener)
        assert not is_shared(listener)


def test_who_is_not_looked_into_for_want_of_a_descriptor_is_not_taken_for_one_that_may_not_be(monkeypatch):
    monkeypatch.delenv("LISTEN_FDS", raising=False)
    own, targets = os.getpid(), holders._targets

    def scarce(asked):
        if asked != own:
            raise OSError(errno.EMFILE, "too many")
        return targets(asked)

    monkeypatch.setattr(holders, "_targets", scarce)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        pytest.raises(OSError, match="too many"),
    ):
        is_shared(listener)


@pytest.fixture
def private(monkeypatch):
    """A process whose descriptors are not told."""
    monkeypatch.delenv("LISTEN_FDS", raising=False)
    monkeypatch.setattr(holders, "_forkers", set())
    own, targets = os.getpid(), holders._targets
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:

        def secret(asked):
            if asked == process.pid:
                raise PermissionError
            return targets(asked) if asked == own else []

        monkeypatch.setattr(holders, "_targets", secret)
        yield process


def shared_with(private, monkeypatch, *, parent=0, is_fork=False, forked=False, session=None):
    """Return whether a listener is taken for shared where this is known of a private process."""
    known = {private.pid: ("S", parent, is_fork), os.getpid(): ("R", 1, forked)}
    monkeypatch.setattr(holders, "_stat", lambda process: known.get(process, ("", 0, False)))
    if session is not None:
        monkeypatch.setattr(os, "getsid", lambda process: session if process == private.pid else 1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return is_shared(listener)


def test_who_may_not_be_looked_into_has_nothing_without_a_fork(private, monkeypatch):
    assert not shared_with(private, monkeypatch, is_fork=True)


def test_who_has_forked_this_process_may_have_all_that_it_has(private, monkeypatch):
    monkeypatch.setattr(holders, "_forkers", {private.pid})
    assert shared_with(private, monkeypatch, session=2)


@pytest.mark.parametrize("is_fork", [True, False], ids=["without", "with"])
def test_a_child_of_this_process_without_a_program_of_its_own_may_have_all_that_it_has(
    private, monkeypatch, is_fork
):
    monkeypatch.setattr(holders, "_forkers", {os.getpid()})
    assert shared_with(private, monkeypatch, parent=os.getpid(), is_fork=is_fork, session=2) == is_fork


@pytest.mark.parametrize("session", [1, 2], ids=["the same session", "another"])
def test_of_forks_those_whose_parent_has_died_have_in_common_what_their_session_has(
    private, monkeypatch, session
):
    shared = shared_with(private, monkeypatch, parent=1, is_fork=True, forked=True, session=session)
    assert shared == (session == 1)


@pytest.mark.usefixtures("private")
def test_what_a_program_is_executed_with_anybody_may_have(monkeypatch):
    monkeypatch.setattr(os, "getsid", lambda process: process)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not is_shared(listener)
        listener.set_inheritable(True)
        assert is_shared(listener)


def test_who_has_ended_and_was_not_waited_for_has_nothing(private, monkeypatch):
    monkeypatch.setattr(holders, "_forkers", {private.pid})
    private.kill()
    os.waitid(os.P_PID, private.pid, os.WEXITED | os.WNOWAIT)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not is_shared(listener)


def test_a_process_that_is_gone_has_nothing(private, monkeypatch):
    monkeypatch.setattr(holders, "_forkers", {private.pid})
    private.kill()
    private.wait()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not is_shared(listener)


FORKS = """
import os, sys
if child := os.fork():
    print(child, flush=True)
sys.stdin.read()
"""


def test_of_a_process_is_known_whose_child_it_is_and_whether_it_was_executed():
    with subprocess.Popen(
        [sys.executable, "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as executed:
        assert executed.stdout is not None
        forked = int(executed.stdout.readline())
        assert holders._stat(executed.pid)[1:] == (os.getpid(), False)
        assert holders._stat(forked)[1:] == (executed.pid, True)
    assert holders._stat(executed.pid) == ("", 0, False)


def test_who_lists_its_descriptors_and_does_not_tell_what_they_are_may_not_be_looked_into(monkeypatch):
    def secret(_path):
        raise PermissionError

    monkeypatch.setattr(os, "readlink", secret)  # as for root without CAP_SYS_PTRACE
    with pytest.raises(PermissionError):
        holders._targets(os.getppid())
