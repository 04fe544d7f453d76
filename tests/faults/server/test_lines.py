import re
import time

import pytest

from .process import half_close, read_all, serving, speaking, wait_for

STAMP = rb"\[\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\] "


each_stream = pytest.mark.usefixtures("each_stream")


@pytest.fixture(scope="module", params=["tcp", "tls"])
def server(request, certificate):
    with speaking(request.param, certificate), serving("--max-line", "100") as running:
        yield running


@pytest.mark.parametrize(("size", "fits"), [(99, True), (100, True), (101, False)])
@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_case_3_a_line_of_the_limit_is_answered_and_a_longer_one_refused(server, size, fits, ending):
    line = b"x" * size + ending
    answer = server.ask(line)
    if fits:
        assert re.fullmatch(STAMP + line, answer)
    else:
        assert answer == b"ERR line too long\r\n"


@pytest.mark.parametrize("ending", [b"", b"\rx"])
def test_case_3_a_line_is_refused_as_soon_as_it_is_too_long_though_its_client_waits(server, ending):
    with server.connect(b"x" * (101 - len(ending[:1])) + ending) as client:
        client.settimeout(5)  # the read timeout is 10 s
        assert read_all(client) == b"ERR line too long\r\n"


@pytest.mark.parametrize(("rest", "fits"), [(b"\n", True), (b"\r", False)])
def test_case_3_an_ending_of_which_half_has_come_is_waited_for(server, rest, fits):
    line = b"x" * 100 + b"\r"
    before = server.metric("socketserver_received_bytes_total")
    with server.connect(line) as client:
        wait_for(lambda: server.metric("socketserver_received_bytes_total") - before >= len(line), "it came")
        client.sendall(rest)
        answer = STAMP + line + rest if fits else b"ERR line too long\r\n"
        assert re.fullmatch(answer, read_all(client))


@each_stream
def test_case_4_a_flood_without_a_newline_is_cut_off_at_the_limit():
    with serving() as server:
        before = server.memory()
        chunk = b"x" * (1 << 20)
        with server.connect() as client:
            try:
                for _ in range(1024):
                    client.sendall(chunk)
            except OSError:
                pass
            else:
                raise AssertionError("1 GiB was taken")
        (line,) = server.connections(1)
        assert line["outcome"] == "line_too_long"
        assert line["received_bytes"] < 100_000
        assert server.memory() - before < 32 << 20


@pytest.mark.parametrize("line", [b"no ending", b"line\n"], ids=["case 5", "case 6"])
def test_case_5_and_6_a_client_that_half_closes_has_its_line_back_with_the_ending_that_it_has(server, line):
    for _ in range(20):
        with server.connect(line) as client:
            if half_close(client):
                assert re.fullmatch(STAMP + line, read_all(client))
                return
    pytest.fail("each reply was there before the client could read it")


@pytest.mark.parametrize(
    "line",
    [
        b"\0\0\n", b"a\r\n", b"a\rb\n", b"\xff\xfe\x80\n", b"\n", b"\r\n",
        b"GET / HTTP/1.1\r\n", b'{"event":"forged"}\n', b"\x1b[2J\n",
    ],
)  # fmt: skip
def test_case_7_any_bytes_come_back_exactly(server, line):
    assert re.fullmatch(STAMP + re.escape(line), server.ask(line))


@each_stream
def test_case_8_what_follows_the_line_does_not_cost_the_reply():
    with serving() as server:
        for _ in range(50):
            with server.connect(b"line\n" + b"x" * 100_000) as client:
                assert read_all(client).endswith(b"line\n")
        assert {line["outcome"] for line in server.connections(50)} == {"ok"}


def test_case_8_a_client_that_goes_on_sending_is_heard_out(server):
    with server.connect(b"line\n" + b"x" * 100_000) as client:
        # A reset would end this with an error before the reply is looked for.
        for _ in range(5):
            time.sleep(0.05)
            client.sendall(b"x" * 10_000)
        assert read_all(client).endswith(b"line\n")


@each_stream
def test_any_number_of_lines_is_answered_when_asked_for():
    with serving("--keep-alive") as server, server.connect() as client:
        for number in range(20):
            client.sendall(b"%d\n" % number)
            assert client.recv(100).endswith(b"] %d\n" % number)
        half_close(client)
        assert read_all(client) == b""
        (line,) = server.connections(1)
        assert (line["exchanges"], line["outcome"]) == (20, "ok")
