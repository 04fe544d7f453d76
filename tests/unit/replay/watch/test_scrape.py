import contextlib
import gc
import socket
import threading
import warnings
from collections.abc import Iterator

import pytest

from socketscope.replay.watch import scrape
from socketscope.replay.watch.replicas import Watch
from socketscope.replay.watch.scrape import Unreachable, Unusable
from tests.threads import in_a_thread
from tests.unit.replay.watch import pages

Key = tuple[str, frozenset[tuple[str, str]]]
A: Key = ("a_total", frozenset())
B: Key = ("b_total", frozenset({("x", "1")}))


def histogram(*counts: int) -> scrape.Samples:
    edges = ("0.1", "0.2", "1.0", "+Inf")
    return {
        ("t_bucket", frozenset({("le", edge)})): float(count)
        for edge, count in zip(edges, counts, strict=True)
    }


def test_counters_grow_by_the_difference_and_after_a_restart_from_zero():
    assert scrape.increases({A: 5, B: 7}, {A: 8, B: 7}) == {A: 3, B: 0}
    assert scrape.increases({A: 5}, {A: 2}) == {A: 2}


def test_what_was_not_there_before_has_not_grown_yet():
    assert scrape.increases({}, {A: 5}) == {A: 0}


def test_pages_are_added_up():
    assert scrape.combined([{A: 1, B: 2}, {A: 3}]) == {A: 4, B: 2}
    assert scrape.combined([]) == {}


def test_sums_and_sums_by_label():
    page = scrape.parse('a{x="1",y="1"} 1\na{x="1",y="2"} 2\na{x="2",y="2"} 4\nb 8\n')
    assert scrape.total(page, "a") == 7
    assert scrape.by_label(page, "a", "x") == {"1": 3, "2": 4}
    assert scrape.by_label(page, "b", "x") == {}


@pytest.mark.parametrize(
    ("share", "counts", "seconds"),
    [
        (0.5, (10, 10, 10, 10), 0.05),
        (0.99, (10, 10, 10, 10), 0.099),
        (0.5, (0, 10, 10, 10), 0.15),
        (0.75, (5, 10, 10, 10), 0.15),
        (0.99, (0, 0, 0, 10), 1.0),
        (0.5, (0, 0, 0, 0), None),
    ],
)
def test_a_quantile_is_what_prometheus_makes_of_buckets(share, counts, seconds):
    found = scrape.quantile(share, histogram(*counts), "t")
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_there_is_no_quantile_of_what_is_not_there():
    assert scrape.quantile(0.5, {}, "t") is None


def test_the_share_within_an_edge():
    assert scrape.within(0.2, histogram(5, 9, 10, 10), "t") == 0.9
    assert scrape.within(0.2, histogram(0, 0, 0, 0), "t") is None
    assert scrape.within(0.2, {}, "t") is None


@pytest.mark.parametrize("value", ["+Inf", "-Inf", "NaN", "1e308"])
def test_what_cannot_be_added_up_is_left_out(value):
    assert scrape.parse(f'a_total 5\nb_total{{x="1"}} {value}\n') == {A: 5}


@pytest.mark.parametrize("edge", ["", "few", "NaN"])
def test_a_bucket_whose_edge_is_no_number_is_none(edge):
    page = histogram(5, 9, 10, 10) | {("t_bucket", frozenset({("le", edge)})): 7.0}
    assert scrape.quantile(0.5, page, "t") == pytest.approx(0.1)
    assert scrape.within(0.2, page, "t") == 0.9


def test_there_is_no_share_within_an_edge_that_is_not_there():
    assert scrape.within(0.01, histogram(5, 9, 10, 10), "t") is None


def test_what_a_terminal_would_obey_is_escaped_in_labels():
    page = scrape.parse('a{x="o\x1b]0;title\x07k\\n\u202e"} 1\n')
    assert scrape.by_label(page, "a", "x") == {r"o\x1b]0;title\x07k\n\u202e": 1}


def test_a_page_is_known_by_its_build():
    assert scrape.kind(pages.of_server()) == "server"
    assert scrape.kind(pages.of_replay()) == "replay"
    with pytest.raises(Unusable, match="none of socketscope's"):
        scrape.kind(scrape.parse("process_cpu_seconds_total 1\n"))


@pytest.mark.parametrize(
    "text", ["<html>hello</html>\n", "a{b 1\n", f"a 1 1{'0' * 400}\n", 'a{x="1"} one\n', "ok\n"]
)
def test_what_is_no_page_is_told(text):
    with pytest.raises(Unusable, match="is not a page of metrics"):
        scrape.parse(text)


def test_whoever_does_not_answer_may_do_so_later():
    with pytest.raises(Unreachable, match="Connection refused"):
        scrape.fetch("http://127.0.0.1:1/metrics")


@contextlib.contextmanager
def saying(answer: bytes) -> Iterator[str]:
    """Yield the URL of somebody who says so, whatever one client asks for, and leaves."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def say() -> None:
            with listener.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(answer)

        thread = in_a_thread(say)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/metrics"
        thread.join()


def test_a_terminal_obeys_nothing_of_what_a_stranger_answers():
    with saying(b"\x1b[31mEVIL\x07\r\n") as url, pytest.raises(Unusable) as raised:
        scrape.fetch(url)
    # It answers, as the port of a service may that is taken for the one of its metrics.
    assert not isinstance(raised.value, Unreachable)
    assert str(raised.value) == r"does not speak HTTP: \x1b[31mEVIL\x07"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/9.9 200 OK\r\n\r\n", "does not speak HTTP: HTTP/9.9"),
        (b"x" * 70_000, "does not speak HTTP: got more than 65536 bytes when reading status line"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200, "does not speak HTTP: got more than 100 headers"),
    ],
)
def test_whoever_answers_in_something_like_http_is_no_page(answer, told):
    with saying(answer) as url, pytest.raises(Unusable, match=told) as raised:
        scrape.fetch(url)
    assert not isinstance(raised.value, Unreachable)


def test_whoever_leads_on_to_what_nobody_can_be_asked_for_is_no_page():
    with saying(b"HTTP/1.1 302 Found\r\nLocation: http://[\r\n\r\n") as url:
        watch = Watch(url, every=1.0)
        assert isinstance(watch.ask(), Unusable)
    assert watch.look.problem == "is not a URL that can be fetched"
    del watch
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()  # urllib leaves such an answer open


@pytest.mark.parametrize(
    "rest", ["a..b:1/metrics", f"{'x' * 64}:1/metrics", "a b:1/metrics", "{here}/m\u00e9trics"]
)
def test_what_nobody_can_be_asked_for_is_told(rest):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        here = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(Unusable, match="^is not a URL that can be fetched$") as raised:
            scrape.fetch(f"http://{rest.format(here=here)}")
    assert not isinstance(raised.value, Unreachable)


def test_why_tls_fails_is_told_in_words():
    told = "^wrong version number$"
    with saying(b"HTTP/1.0 200 OK\r\n\r\n") as url, pytest.raises(Unreachable, match=told):
        scrape.fetch(url.replace("http:", "https:"))


def test_whoever_leaves_without_an_answer_may_answer_later():
    with saying(b"") as url, pytest.raises(Unreachable, match="closed connection without response"):
        scrape.fetch(url)


def test_a_page_of_which_the_rest_does_not_come_is_none():
    cut = b"HTTP/1.0 200 OK\r\nContent-Length: 8\r\n\r\nopen 3"
    with saying(cut) as url, pytest.raises(Unreachable, match="6 bytes read, 2 more expected"):
        scrape.fetch(url)


def test_a_page_that_takes_longer_than_it_may_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(scrape, "TIMEOUT", 0.2)
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            with listener.accept()[0] as connection, contextlib.suppress(OSError):
                connection.recv(1000)
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
                for _ in range(100):
                    if ended.wait(0.05):
                        return
                    connection.sendall(b"#")

        thread = in_a_thread(drip)
        try:
            with pytest.raises(Unreachable, match=r"no answer within 0.2 s"):
                scrape.fetch(f"http://127.0.0.1:{listener.getsockname()[1]}/metrics")
        finally:
            ended.set()
            thread.join()
