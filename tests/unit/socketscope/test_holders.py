"""Who else has a listener."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from socketscope.serve import holders
from socketscope.serve.holders import is_shared


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
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert is_shared(listener) == shared


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


@pytest.fixture
def private(monkeypatch):
    """A process of which nothing can be seen but that it is there: it is in this one's session."""
    monkeypatch.delenv("LISTEN_FDS", raising=False)
    monkeypatch.setattr(holders, "_forker", 0)
    own = os.getpid()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:

        def targets(asked):
            if asked == process.pid:
                raise PermissionError
            return look(asked) if asked == own else []

        look = holders._targets
        monkeypatch.setattr(holders, "_targets", targets)
        yield process


@pytest.mark.usefixtures("private")
def test_who_may_not_be_looked_into_has_nothing_without_a_fork(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not is_shared(listener)
        monkeypatch.setattr(holders, "_forker", os.getpid())
        assert is_shared(listener)


@pytest.mark.usefixtures("private")
def test_after_a_fork_those_of_another_session_have_nothing(monkeypatch):
    monkeypatch.setattr(holders, "_forker", os.getpid())
    monkeypatch.setattr(os, "getsid", lambda process: process)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not is_shared(listener)


def test_nor_has_who_has_ended_and_was_not_waited_for(private, monkeypatch):
    monkeypatch.setattr(holders, "_forker", os.getpid())
    private.kill()
    os.waitid(os.P_PID, private.pid, os.WEXITED | os.WNOWAIT)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not is_shared(listener)


def test_but_the_parent_that_has_forked_this_process_has(private, monkeypatch):
    monkeypatch.setattr(holders, "_forker", private.pid)
    monkeypatch.setattr(os, "getppid", lambda: private.pid)
    monkeypatch.setattr(os, "getsid", lambda process: process)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert is_shared(listener)


@pytest.mark.usefixtures("private")
def test_what_a_program_is_executed_with_anybody_may_have(monkeypatch):
    monkeypatch.setattr(os, "getsid", lambda process: process)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        assert is_shared(listener)


def test_who_lists_its_descriptors_and_does_not_tell_what_they_are_may_not_be_looked_into(monkeypatch):
    def secret(_path):
        raise PermissionError

    monkeypatch.setattr(Path, "readlink", secret)  # as for root without CAP_SYS_PTRACE
    with pytest.raises(PermissionError):
        holders._targets(os.getppid())


@pytest.mark.usefixtures("private")
def test_who_has_ended_meanwhile_has_nothing(monkeypatch):
    def gone(_process):
        raise ProcessLookupError

    monkeypatch.setattr(os, "getsid", gone)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        assert not is_shared(listener)
