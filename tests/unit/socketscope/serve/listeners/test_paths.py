"""Unix paths: taken over from the dead, and from nobody else."""

import fcntl
import os
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from socketscope.serve.listeners import paths


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "socket")


class Server:
    """What a server has of its listener."""

    def __init__(self, path, kind=socket.SOCK_STREAM):
        self.server_address = path
        self.socket = socket.socket(socket.AF_UNIX, kind)

    def bind(self):
        return paths.bind(self, lambda: self.socket.bind(self.server_address))


@pytest.fixture
def make():
    made = []

    def make(*args):
        made.append(Server(*args))
        return made[-1]

    yield make
    for server in made:
        server.socket.close()


def refused(server, what="in use"):
    with pytest.raises(OSError, match=what) as wrong:
        server.bind()
    assert wrong.value.filename == server.server_address


def test_the_path_of_a_dead_server_is_taken_over(make, path):
    dead = make(path)
    dead.socket.bind(path)
    dead.socket.close()
    held = make(path).bind()
    held.release(remove=True)
    assert list(Path(path).parent.iterdir()) == []


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_the_path_of_a_live_one_is_not_whoever_made_it(make, path, kind):
    live = make(path)
    live.socket.bind(path)
    live.socket.listen()
    refused(make(path, kind))
    assert Path(path).exists()


def test_the_path_of_one_that_has_bound_and_does_not_listen_yet_is_not_taken_over(make, path):
    held = make(path).bind()
    refused(make(path))
    held.release(remove=True)
    make(path).bind().release(remove=True)


def test_the_path_of_one_that_is_about_to_bind_is_not_taken_over(make, path):
    with Path(f"{path}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused(make(path))
    make(path).bind().release(remove=True)


OTHERS = {
    "folder": os.mkdir,
    "file": lambda path: Path(path).touch(),
    "link": lambda path: Path(path).symlink_to("/dev/null"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_what_is_no_socket_is_left_as_it_is(make, path, other):
    OTHERS[other](path)
    before = Path(path).lstat()
    refused(make(path), "is not a socket")
    assert Path(path).lstat() == before
    assert not Path(f"{path}.lock").exists()
    make(f"{path}2").bind().release(remove=True)


def test_a_server_that_cannot_bind_gives_the_lock_back(make, path):
    server = make(path)
    server.socket.bind(f"{path}-other")
    with pytest.raises(OSError, match="Invalid argument"):
        server.bind()
    assert not Path(f"{path}.lock").exists()
    make(path).bind().release(remove=True)


@pytest.mark.parametrize("binds", [True, False])
def test_a_file_of_that_name_that_holds_something_is_no_lock_to_remove(make, path, binds):
    Path(f"{path}.lock").write_text("[[package]]")
    if binds:
        make(path).bind().release(remove=True)
        assert not Path(path).exists()
    else:
        Path(path).touch()
        refused(make(path), "is not a socket")
    assert Path(f"{path}.lock").read_text() == "[[package]]"


def test_two_that_start_at_once_do_not_both_get_it(make, path, monkeypatch):
    # The first has ended, and removed its lock, just as the second opened it; a third has a new one.
    flock, third = fcntl.flock, []

    def late(lock, how):
        flock(lock, how)
        monkeypatch.setattr(fcntl, "flock", flock)
        Path(f"{path}.lock").unlink()
        third.append(make(path).bind())

    monkeypatch.setattr(fcntl, "flock", late)
    refused(make(path))
    third[0].release(remove=True)


def test_a_path_that_is_another_servers_by_now_is_left_to_it(make, path):
    held = make(path).bind()
    Path(path).rename(f"{path}-moved")
    other = make(path)
    other.socket.bind(path)
    held.release(remove=True)
    assert Path(path).exists()
    assert not Path(f"{path}.lock").exists()


def test_it_is_released_once(make, path):
    held = make(path).bind()
    held.release(remove=True)
    again = make(path).bind()
    held.release(remove=True)
    assert Path(path).exists()
    again.release(remove=True)


@pytest.mark.parametrize("encode", [str, os.fsencode], ids=["str", "bytes"])
def test_a_program_that_goes_to_another_folder_removes_what_it_has_bound_and_no_namesake(
    make, tmp_path, monkeypatch, encode
):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    monkeypatch.chdir(first)
    held = make(encode("socket")).bind()
    monkeypatch.chdir(second)
    other = make(encode("socket")).bind()
    held.release(remove=True)
    assert list(first.iterdir()) == []
    assert sorted(path.name for path in second.iterdir()) == ["socket", "socket.lock"]
    other.release(remove=True)
    assert list(second.iterdir()) == []


def test_a_relative_path_may_lead_to_where_no_absolute_one_can_be_bound(make, tmp_path, monkeypatch):
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.chdir(deep)
    held = make("socket").bind()
    refused(make("socket"))
    held.release(remove=True)
    assert list(deep.iterdir()) == []


def test_a_lock_that_is_another_servers_by_now_is_left_to_it(make, path):
    held = make(path).bind()
    Path(path).unlink()
    Path(f"{path}.lock").unlink()
    other = make(path).bind()
    held.release(remove=True)
    assert Path(path).exists()
    assert Path(f"{path}.lock").exists()
    other.release(remove=True)


def test_a_lock_file_that_is_a_link_is_refused_and_what_it_leads_to_is_not_made(make, path):
    Path(f"{path}.lock").symlink_to(f"{path}-elsewhere")
    refused(make(path), "its lock file is a symbolic link")
    assert not Path(f"{path}-elsewhere").exists()


def test_links_that_lead_in_a_circle_on_the_way_are_told_as_such(make, path):
    Path(path).symlink_to(path)
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        make(f"{path}/x").bind()


def test_a_folder_that_is_missing_is_told_of_the_path_and_not_of_its_lock(make, path):
    with pytest.raises(FileNotFoundError) as raised:
        make(f"{path}/x").bind()
    assert raised.value.filename == f"{path}/x"


def test_a_path_may_be_bytes(make, path):
    held = make(os.fsencode(path)).bind()
    refused(make(os.fsencode(path)))
    refused(make(path))
    held.release(remove=True)


@pytest.mark.parametrize(
    "address", ["", b"", f"\0socketscope-{os.getpid()}"], ids=["str", "bytes", "abstract"]
)
def test_an_address_without_a_file_needs_none(make, address):
    assert make(address).bind() is None


def test_other_families_have_no_path():
    bound = []
    with socket.socket() as sock:
        server = SimpleNamespace(socket=sock, server_address=("127.0.0.1", 0))
        assert paths.bind(server, lambda: bound.append(1)) is None
    assert bound == [1]


def test_one_that_others_share_is_left_and_only_the_lock_is_given_back(make, path):
    held = make(path).bind()
    held.release(remove=False)
    assert Path(path).exists()
