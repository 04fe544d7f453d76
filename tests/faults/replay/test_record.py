"""The recorder as its users run it, between real clients and servers; what it wrote is replayed."""

import contextlib
import itertools
import os
import secrets
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import IO, ClassVar
from unittest.mock import patch

import pytest

from socketscope.units import parse_duration
from tests.faults.replay.test_replay import COMMAND, PATIENCE, ROOT, echo, reset, run, serving, with_file
from tests.ports import free_port


class Recording:
    """A recorder under way.

    Attributes:
        begun: All that a test has begun.
    """

    begun: ClassVar[list["Recording"]] = []

    def __init__(self, target: str, folder: Path, *options: str, prefix: tuple[str, ...] = ()) -> None:
        listen = () if "--listen" in options else ("--listen", "tcp://127.0.0.1:0")
        self._process = subprocess.Popen(
            [*prefix, *COMMAND, "record", *listen, *options, "--target", target, folder],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.begun.append(self)
        assert self._process.stderr is not None
        said = iter(self._process.stderr.readline, "")
        self.url = next(line for line in said if "forwards to" in line).split()[1]

    def connect(self) -> socket.socket:
        if self.url.startswith("unix://"):
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(PATIENCE)
            connection.connect(self.url.removeprefix("unix://"))
            return connection
        return socket.create_connection(("127.0.0.1", int(self.url.rpartition(":")[2])), timeout=PATIENCE)

    def tell(self) -> str:
        """Return the next line on standard error."""
        assert self._process.stderr is not None
        return self._process.stderr.readline()

    def hear_no_more(self) -> None:
        """Leave nobody to read its standard error."""
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._process.stderr = None

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """Leave nothing of it, whatever has failed."""
        self._process.kill()
        self._process.wait(PATIENCE)

    def end(self, number: int = signal.SIGINT, times: int = 1) -> tuple[int, str, str]:
        for _ in range(times):
            # A wrapper that hands on a terminal's signal sends it again.
            self.send_signal(number)
            time.sleep(0.002)
        out, err = self._process.communicate(timeout=PATIENCE)
        return self._process.returncode, out, err


@pytest.fixture(autouse=True)
def _none_is_left() -> Iterator[None]:
    yield
    while Recording.begun:
        Recording.begun.pop().kill()


@contextlib.contextmanager
def recording(target: str, folder: Path, *options: str) -> Iterator[Recording]:
    """Record while the block lasts; nothing may go wrong."""
    started = Recording(target, folder, *options)
    yield started
    status, _, err = started.end()
    assert status == 0
    assert all(line.startswith(f"record: {folder}/") for line in err.splitlines()), err


def scripts(folder: Path) -> dict[str, str]:
    """Return the scripts, without what each begins with, and without the names of steps."""
    found = {}
    for path in sorted(folder.iterdir()):
        comment, connect, *lines = path.read_text().splitlines(keepends=True)
        assert (comment[:14], connect) == ("# recorded fro", "@connect pass\n")
        found[path.name] = "".join(line for line in lines if not line.startswith("=="))
    return found


def assert_replays(folder: Path, target: str, *options: str, **env: str) -> None:
    with patch.dict(os.environ, env):
        ended = run("replay", str(folder), "--target", target, *options)
    assert ended.returncode == 0, ended.stdout


def ask(connection: socket.socket, *messages: bytes) -> list[bytes]:
    """Send each message when the line that answers the one before has come."""
    replies = []
    with connection.makefile("rb") as file:
        for message in messages:
            connection.sendall(message)
            replies.append(file.readline())
    return replies


@with_file
def mail(file: IO[bytes]) -> None:
    file.write(b"220-mail\r\n220 ready\r\n")
    for line in file:
        file.write(b"250-" + line + b"250 done\r\n")
        if line == b"QUIT\r\n":
            return


def test_connections_that_interleave_are_conversations_of_their_own(tmp_path):
    with serving(echo) as target, recording(target, tmp_path) as recorder:
        connections = [recorder.connect() for _ in range(3)]
        for word in (b"one", b"two"):
            for number, connection in enumerate(connections):
                assert ask(connection, b"%s %d\r\n" % (word, number)) == [b"%s %d\r\n" % (word, number)]
        for connection in connections:
            connection.close()
            recorder.tell()
        assert_replays(tmp_path, target, "--users", "3", "--loops", "3")
    assert scripts(tmp_path) == {
        f"00{n + 1}.talk": f"> one {n}\n< one {n}\n> two {n}\n< two {n}\n" for n in range(3)
    }


def test_one_conversation_held_many_times_is_one_script(tmp_path):
    with serving(echo) as target, recording(target, tmp_path) as recorder:
        for _ in range(20):
            with recorder.connect() as connection:
                ask(connection, b"hello\n")
        recorder.tell()
        assert_replays(tmp_path, target)
    assert scripts(tmp_path) == {"001.talk": "@eol lf\n> hello\n< hello\n"}


def test_a_server_that_speaks_first_and_in_many_lines(tmp_path):
    with serving(mail) as target, recording(target, tmp_path) as recorder:
        with recorder.connect() as connection, connection.makefile("rb") as file:
            assert [file.readline(), file.readline()] == [b"220-mail\r\n", b"220 ready\r\n"]
            connection.sendall(b"HELO me\r\n")
            assert [file.readline(), file.readline()] == [b"250-HELO me\r\n", b"250 done\r\n"]
            connection.sendall(b"QUIT\r\n")
            assert file.read() == b"250-QUIT\r\n250 done\r\n"
        recorder.tell()
        assert_replays(tmp_path, target)
    assert scripts(tmp_path) == {
        "001.talk": "< 220-mail\n< 220 ready\n> HELO me\n< 250-HELO me\n< 250 done\n"
        "> QUIT\n< 250-QUIT\n< 250 done\n<$\n"
    }


def test_a_half_close_and_a_last_line_without_an_end(tmp_path):
    @with_file
    def sort(file: IO[bytes]) -> None:
        file.write(b"".join(sorted(file)) + b"sorted")

    with serving(sort) as target, recording(target, tmp_path) as recorder:
        with recorder.connect() as connection, connection.makefile("rb") as file:
            connection.sendall(b"b\r\na\r\n")
            connection.shutdown(socket.SHUT_WR)
            assert file.read() == b"a\r\nb\r\nsorted"
        recorder.tell()
        assert_replays(tmp_path, target)
    assert scripts(tmp_path) == {"001.talk": "> b\\r\\na\n!half-close\n< a\n< b\n< sorted\n<$\n"}


def test_a_client_that_resets(tmp_path):
    seen: SimpleQueue[str] = SimpleQueue()

    def watched(connection: socket.socket) -> None:
        try:
            echo(connection)
        except ConnectionResetError:
            seen.put("reset")
        else:
            seen.put("end")

    with serving(watched) as target, recording(target, tmp_path) as recorder:
        with recorder.connect() as connection:
            ask(connection, b"a\r\n")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        recorder.tell()
        assert seen.get(timeout=PATIENCE) == "reset"
        assert_replays(tmp_path, target)
    assert scripts(tmp_path) == {"001.talk": "> a\n< a\n!reset\n"}


def test_what_a_client_who_has_gone_never_took_is_not_waited_for(tmp_path):
    def goes_on(connection: socket.socket) -> None:
        echo(connection)
        while True:
            connection.sendall(b"late\n")  # until nobody takes it

    with serving(goes_on) as target, recording(target, tmp_path) as recorder:
        with recorder.connect() as connection:
            ask(connection, b"a\r\n")
            connection.shutdown(socket.SHUT_WR)
        recorder.tell()
        assert_replays(tmp_path, target)
    assert scripts(tmp_path) == {"001.talk": "> a\n< a\n"}


def test_the_time_of_day_is_no_part_of_a_conversation(tmp_path):
    server = subprocess.Popen(
        [sys.executable, "-m", "server", "--metrics", "none", "--listen", f"unix://{tmp_path}/s"],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        server.stdout.readline()
        target, folder = f"unix://{tmp_path}/s", tmp_path / "scripts"
        with recording(target, folder) as recorder:
            with recorder.connect() as connection:
                ask(connection, b"hello\r\n")
                # The server closes first, which is a part of the conversation.
                assert connection.recv(1) == b""
            recorder.tell()
            assert_replays(folder, target)
        pattern = r"^\[\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\] hello$"
        assert scripts(folder) == {"001.talk": f"> hello\n<~ {pattern}\n<$\n"}
    finally:
        server.terminate()
        server.communicate(timeout=PATIENCE)


def test_a_unix_socket_is_listened_on_and_taken_away(tmp_path):
    folder = tmp_path / "scripts"
    with serving(echo) as target:
        with recording(target, folder, "--listen", f"unix://{tmp_path}/s") as recorder:
            with recorder.connect() as connection:
                ask(connection, b"a\r\n")
            recorder.tell()
        assert_replays(folder, target)
    assert not (tmp_path / "s").exists()


def test_a_name_of_both_families_is_listened_on_at_both(tmp_path, both_families):
    folder = tmp_path / "scripts"
    with serving(echo) as target:
        recorder = Recording(target, folder, "--listen", "tcp://localhost:0", prefix=both_families)
        host, _, port = recorder.url.removeprefix("tcp://").rpartition(":")
        assert host == "localhost"
        for number, address in enumerate(("::1", "127.0.0.1")):
            with socket.create_connection((address, int(port)), timeout=PATIENCE) as connection:
                assert ask(connection, b"%d\r\n" % number) == [b"%d\r\n" % number]
            recorder.tell()
        assert recorder.end()[0] == 0
    assert scripts(folder) == {f"00{n + 1}.talk": f"> {n}\n< {n}\n" for n in range(2)}


def test_a_tls_server_is_recorded_in_plain_text(tmp_path, certificate, server_context):
    def shout(connection: socket.socket) -> None:
        with server_context.wrap_socket(connection, server_side=True) as tls, tls.makefile("rb") as lines:
            for line in lines:
                tls.sendall(line.upper())

    with serving(shout) as plain:
        target = plain.replace("tcp://127.0.0.1", "tls://localhost")
        recorder = Recording(target, tmp_path / "my scripts", "--ca", str(certificate))
        with recorder.connect() as connection, connection.makefile("rb") as file:
            connection.sendall(b"hello\r\n")
            # TLS has no half-close; the reply to who makes one comes all the same.
            connection.shutdown(socket.SHUT_WR)
            assert file.read() == b"HELLO\r\n"
        recorder.tell()
        status, out, err = recorder.end()
        assert (status, err) == (0, "")
        # The line that it ends with, typed into a shell.
        told, _, line = out.splitlines()[1].partition(" python -m client replay ")
        assert told == "replay:"
        folder, *options = shlex.split(line)
        assert options[0] == "--target"
        assert_replays(Path(folder), *options[1:])
    assert scripts(tmp_path / "my scripts") == {"001.talk": "> hello\n< HELLO\n"}


def test_a_tls_server_whom_nobody_vouches_for_is_told_as_that(tmp_path, server_context):
    def handshake(connection: socket.socket) -> None:
        server_context.wrap_socket(connection, server_side=True)

    with serving(handshake) as plain:
        target = plain.replace("tcp://127.0.0.1", "tls://localhost")
        recorder = Recording(target, tmp_path)
        with recorder.connect() as connection, contextlib.suppress(ConnectionResetError):
            assert connection.recv(100) == b""
        told = "the server's certificate does not hold: self-signed certificate"
        assert recorder.tell() == f"record: cannot connect to {target}: {told}\n"
        assert recorder.end()[0] == 0


@pytest.mark.parametrize(("number", "times"), [(signal.SIGINT, 20), (signal.SIGTERM, 1), (signal.SIGHUP, 1)])
def test_a_signal_ends_it_and_writes_what_was_said_so_far(tmp_path, number, times):
    folder = tmp_path / "new" / "folder"
    with serving(echo) as target:
        recorder = Recording(target, folder)
        with recorder.connect() as connection, recorder.connect():
            ask(connection, b"a\r\n", b"b\r\n")
            connection.sendall(b"never answered")
            assert recorder.end(number, times) == (
                0,
                (
                    f"conversations: 1, scripts: 1, in {folder}\n"
                    f"replay: python -m client replay {folder} --target {target}\n"
                ),
                f"record: {folder}/001.talk\n",
            )
            assert connection.recv(100) == b""
        assert_replays(folder, target)
    assert scripts(folder) == {"001.talk": "> a\n< a\n> b\n< b\n"}


def test_a_prompt_and_bytes_that_are_no_text_are_a_part_of_a_conversation(tmp_path):
    @with_file
    def prompt(file: IO[bytes]) -> None:
        file.write(b"name: ")
        file.write(b"hello " + file.readline() + b"> ")
        file.readline()

    with serving(prompt) as target, recording(target, tmp_path) as recorder:
        with recorder.connect() as connection:
            assert connection.recv(100) == b"name: "
            connection.sendall(b"ad\xff\0\n")
            assert connection.recv(100) == b"hello ad\xff\0\n> "
            connection.sendall(b"\n")
            assert connection.recv(100) == b""
        recorder.tell()
        assert_replays(tmp_path, target)
    assert scripts(tmp_path) == {
        "001.talk": "<| name:\\x20\n@eol lf\n> ad\\xff\\0\n< hello ad\\xff\\0\n<| >\\x20\n> \n<$\n"
    }


def test_what_a_server_hands_out_goes_back_as_it_is_in_the_replay(tmp_path):
    numbers = itertools.count(41)

    @with_file
    def jobs(file: IO[bytes]) -> None:
        number, token = next(numbers), f"a{secrets.token_hex(8)}"  # of digits alone it would be a number
        file.write(b"job %d\ntoken=%s\n" % (number, token.encode()))
        assert file.readline() == b"run %d with %s\n" % (number, token.encode())
        file.write(b"done %d\n" % number)
        file.read()

    with serving(jobs) as target, recording(target, tmp_path) as recorder:
        with recorder.connect() as connection, connection.makefile("rwb", buffering=0) as file:
            number, token = file.readline().split()[1], file.readline().strip().removeprefix(b"token=")
            file.write(b"run %s with %s\n" % (number, token))
            assert file.readline() == b"done 41\n"
        recorder.tell()
        assert_replays(tmp_path, target)
    assert scripts(tmp_path) == {
        "001.talk": "<~ ^job (?P<job>\\d+)$\n<~ ^token=(?P<token>\\w+)$\n"
        "@eol lf\n> run ${job} with ${token}\n< done ${job}\n"
    }


def test_a_secret_is_in_no_file_and_a_replay_takes_it_from_the_environment(tmp_path):
    @with_file
    def login(file: IO[bytes]) -> None:
        assert file.readline() == b"PASS open sesame\n"
        file.write(b"welcome, card 4111\n")
        file.read()

    with serving(login) as target:
        recorder = Recording(target, tmp_path, "--redact", r"card (\d+)")
        with recorder.connect() as connection:
            ask(connection, b"PASS open sesame\n")
        recorder.tell()
        status, out, _ = recorder.end()
        assert (status, out.splitlines()[2]) == (
            0, "secrets: SECRET_1, which a replay takes from the environment"
        )  # fmt: skip
        assert_replays(tmp_path, target, SECRET_1="open sesame")
    assert scripts(tmp_path) == {"001.talk": "@eol lf\n> PASS ${env:SECRET_1}\n<~ ^welcome, card .*$\n"}
    assert (tmp_path / "001.talk").stat().st_mode & 0o777 == 0o600


def test_pauses_are_kept_where_they_are_asked_for(tmp_path):
    with serving(echo) as target, recording(target, tmp_path, "--pauses") as recorder:
        with recorder.connect() as connection:
            ask(connection, b"one\n")
            time.sleep(0.2)
            ask(connection, b"two\n")
        recorder.tell()
        assert_replays(tmp_path, target)
    (text,) = scripts(tmp_path).values()
    (pause,) = (line for line in text.splitlines() if line.startswith("pause") and line != "pause 0s")
    assert 0.2 <= parse_duration(pause.removeprefix("pause ")) < 2


def test_clients_may_speak_tls(tmp_path, certificate, client_context):
    with serving(lambda connection: connection.sendall(connection.recv(100))) as target:
        options = ("--listen", "tls://localhost:0", "--cert", str(certificate))
        with recording(target, tmp_path / "scripts", *options) as recorder:
            assert recorder.url.startswith("tls://localhost:")
            with client_context.wrap_socket(recorder.connect(), server_hostname="localhost") as tls:
                assert ask(tls, b"hello\n") == [b"hello\n"]
                assert tls.recv(1) == b"", "the server has closed, and TLS has no half-close"
            recorder.tell()
        assert_replays(tmp_path / "scripts", target)


def test_a_client_that_speaks_no_tls_or_trusts_another_is_told_and_the_next_is_served(
    tmp_path, certificate, client_context
):
    options = ("--listen", "tls://localhost:0", "--cert", str(certificate))
    with serving(echo) as target, recording(target, tmp_path / "scripts", *options) as recorder:
        with recorder.connect() as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert recorder.tell() == "record: a client is not served: http request\n"
        with recorder.connect() as connection, pytest.raises(ssl.SSLCertVerificationError):
            ssl.create_default_context().wrap_socket(connection, server_hostname="localhost")
        assert recorder.tell() == "record: a client is not served: tlsv1 alert unknown ca\n"
        with client_context.wrap_socket(recorder.connect(), server_hostname="localhost") as tls:
            assert ask(tls, b"hello\n") == [b"hello\n"]
        assert recorder.tell() == f"record: {tmp_path}/scripts/001.talk\n"


def test_that_descriptors_are_short_is_told_once_and_again_where_it_comes_back(tmp_path):
    shortage = "record: a client is not served: Too many open files\n"

    def use_up(stack: contextlib.ExitStack) -> None:
        # All at once and many: else the last descriptor may go to a client, and only its server's is short.
        recorder.send_signal(signal.SIGSTOP)
        for _ in range(40):
            stack.enter_context(recorder.connect())
        recorder.send_signal(signal.SIGCONT)
        while recorder.tell() != shortage:
            pass

    def is_served() -> bool:
        with contextlib.suppress(OSError), recorder.connect() as connection:
            return ask(connection, b"hello\n") == [b"hello\n"]
        return False

    with serving(echo) as target:
        recorder = Recording(target, tmp_path, prefix=("sh", "-c", 'ulimit -n 24; exec "$@"', "sh"))
        with contextlib.ExitStack() as stack:
            use_up(stack)
        while not is_served():
            pass
        while "001.talk" not in recorder.tell():  # else its end may come amid the next shortage
            pass
        with contextlib.ExitStack() as stack:
            use_up(stack)
            _, _, err = recorder.end()
    assert shortage not in err


def test_options_of_tls_that_do_not_fit_are_one_line(tmp_path, certificate):
    rest = ("--target", "tcp://127.0.0.1:1", str(tmp_path / "f"))
    assert refused("--listen", "tls://localhost:0", *rest) == (
        2, "client: --listen tls:// needs --cert, and --key where that file has none\n"
    )  # fmt: skip
    for option in ("--cert", "--key"):
        assert refused("--listen", "tcp://localhost:0", option, str(certificate), *rest) == (
            2, "client: --cert and --key are for --listen tls://\n"
        )  # fmt: skip
    assert refused("--listen", "tls://localhost:0", "--cert", "/absent", *rest) == (
        2, "client: --cert /absent: No such file or directory\n"
    )  # fmt: skip
    assert refused("--listen", "tls://localhost:0", "--cert", f"{certificate}.crt", *rest) == (
        2, f"client: --cert {certificate}.crt: no private key in PEM form is in {certificate}.crt\n"
    )  # fmt: skip


def test_a_server_that_resets_is_told_and_the_client_sees_it(tmp_path):
    with serving(reset) as target:
        recorder = Recording(target, tmp_path)
        with recorder.connect() as connection:
            connection.sendall(b"a\r\n")
            with pytest.raises(ConnectionResetError):
                connection.recv(100)
        assert recorder.tell() == "record: conversation 1 is left out: the server reset the connection\n"
        assert recorder.end()[0] == 0


def test_a_script_that_cannot_be_written_is_told_and_the_client_served(tmp_path):
    folder = tmp_path / "scripts"
    with serving(echo) as target:
        recorder = Recording(target, folder)
        folder.rmdir()
        with recorder.connect() as connection:
            assert ask(connection, b"a\r\n") == [b"a\r\n"]
        assert recorder.tell() == f"record: cannot write {folder}/001.talk: No such file or directory\n"
        assert recorder.end()[0] == 1


def test_scripts_are_written_whoever_hears_of_them(tmp_path):
    folder = tmp_path / "scripts"
    with serving(echo) as target:
        recorder = Recording(target, folder)
        recorder.hear_no_more()
        with recorder.connect() as connection:
            assert ask(connection, b"a\r\n") == [b"a\r\n"]
        status, out, _ = recorder.end()
    assert (status, out.partition("\n")[0]) == (0, f"conversations: 1, scripts: 1, in {folder}")
    assert scripts(folder) == {"001.talk": "> a\n< a\n"}


def test_a_server_that_is_absent_is_told_and_waited_for(tmp_path):
    target = f"tcp://127.0.0.1:{free_port()}"
    recorder = Recording(target, tmp_path)
    with recorder.connect() as connection, contextlib.suppress(ConnectionResetError):
        assert connection.recv(100) == b""
    assert recorder.tell() == f"record: cannot connect to {target}: Connection refused\n"
    assert recorder.end()[0] == 0


def refused(*arguments: str) -> tuple[int, str]:
    ended = run("record", *arguments)
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("host", ["127.0.0.2", "[::]"])
def test_another_address_at_the_same_port_is_another_server(tmp_path, host):
    if host == "[::]" and not socket.has_dualstack_ipv6():
        pytest.skip("there is no IPv6 here")
    with serving(echo) as target:
        port = target.rpartition(":")[2]
        recorder = Recording(target, tmp_path, "--listen", f"tcp://{host}:{port}")
        assert recorder.end()[0] == 0
