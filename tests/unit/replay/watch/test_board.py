from socketscope.replay.watch.board import BAD, GOOD, boards
from socketscope.replay.watch.replicas import Look, Watch
from socketscope.replay.watch.scrape import Samples, parse
from tests.unit.replay.watch import pages


def look(*answers: Samples, port: int = 9464) -> Look:
    """Return a look at a replica that gave these pages, one a second."""
    replica = Watch(f"http://127.0.0.1:{port}/metrics", every=1.0)
    for second, page in enumerate(answers):
        replica.answered(page, float(second))
    return replica.look


def tiles(*looks: Look) -> dict[str, tuple[str, str, str]]:
    (board,) = boards(looks)
    return {tile.title: (tile.value, tile.below, tile.colour) for tile in board.tiles}


def test_servers_are_summed():
    first = look(pages.of_server(0), pages.of_server(100, open=3))
    second = look(pages.of_server(500), pages.of_server(800, open=1))
    assert tiles(first, second) == {
        "Connections": ("400/s", "exchanges 400/s", "default"),
        "Not served": ("0 %", "0/s", GOOD),
        "Response p99": ("249 µs", "p50 175 µs", GOOD),
        "Within 10 ms": ("100 %", "of responses", GOOD),
        "Open": ("4", "of 2,000", "default"),
        "Threads": ("2 busy", "6 idle", "default"),
    }


def test_failures_have_a_share_a_colour_and_a_count_since_the_start():
    seen = look(
        pages.of_server(0, outcomes={"reset": 5, "read_timeout": 1}),
        pages.of_server(90, seconds=0.05, outcomes={"reset": 15, "read_timeout": 1}),
    )
    assert tiles(seen)["Not served"] == ("10.00 %", "10.0/s", BAD)
    assert tiles(seen)["Within 10 ms"] == ("0 %", "of responses", BAD)
    (board,) = boards([seen])
    assert board.failures == {"reset": (10.0, 15.0), "read_timeout": (0.0, 1.0)}


def test_who_is_refused_is_not_served_and_who_brings_nothing_or_is_turned_away_is_nobody_who_should_be():
    before = pages.of_server(outcomes={"empty": 0})
    seen = look(before, pages.of_server(60, outcomes={"empty": 100}, rejected=20))
    assert tiles(seen)["Not served"] == ("25.00 %", "20.0/s", BAD)


def test_replays_have_a_board_of_their_own():
    server = look(pages.of_server(0), pages.of_server(1))
    client = look(pages.of_replay(), pages.of_replay(ok=30, refused=10, target_rate=50.0))
    servers, replays = boards([client, server])
    assert (servers.kind, replays.kind) == ("server", "replay")
    shown = {tile.title: (tile.value, tile.below) for tile in replays.tiles}
    assert shown["Exchanges"] == ("40.0/s", "passes 30.0/s")
    assert shown["Failed"] == ("25.00 %", "10.0/s")
    assert shown["Users"] == ("4", "0 open")
    assert shown["Target rate"] == ("50.0/s", "lag 0.00 µs")
    assert replays.failures == {"refused": (10.0, 10.0)}


def test_a_closed_loop_says_that_it_has_no_rate():
    shown = tiles(look(pages.of_replay(), pages.of_replay(ok=30)))
    assert shown["Target rate"] == ("none", "closed loop", "default")
    assert shown["Intended p99"] == ("none", "closed loop", "default")


def test_what_was_lost_is_among_the_failures_once_there_is_some():
    (board,) = boards([look(pages.of_server(), pages.of_server())])
    assert board.failures == {}
    key = ("socketserver_log_lines_dropped_total", frozenset[tuple[str, str]]())
    pages_of = [{**pages.of_server(), key: lost} for lost in (1.0, 5.0)]
    (board,) = boards([look(*pages_of)])
    assert board.failures == {"log lines dropped": (4.0, 5.0)}
    (board,) = boards([look(pages_of[0])])  # of which it is not known when
    assert board.failures == {"log lines dropped": (0.0, 1.0)}


def test_datagrams_are_told_of_where_there_are_any():
    def page(no_reply: int, lost: int) -> Samples:
        return parse(
            f'socketserver_datagrams_total{{listener="udp",outcome="no_reply"}} {no_reply}\n'
            'socketserver_datagrams_total{listener="udp",outcome="truncated"} 1\n'
            f'socketserver_datagrams_lost_total{{listener="udp"}} {lost}\n'
            'socketserver_build_info{version="1",python="3"} 1\n'
        )

    (board,) = boards([look(page(10, 0), page(50, 6))])
    assert next((note.value for note in board.notes if note.title == "datagrams"), None) == "40.0/s"
    assert board.failures == {"datagrams truncated": (0.0, 1.0), "datagrams lost": (6.0, 6.0)}
    (board,) = boards([look(pages.of_server(), pages.of_server())])
    assert "datagrams" not in {note.title for note in board.notes}


def test_nothing_is_known_of_what_does_not_answer():
    replica = Watch("http://127.0.0.1:9464/metrics", every=1.0)
    replica.answered(pages.of_server(1, open=3), 0.0)
    replica.failed("Connection refused", 1.0)
    assert {value for value, _, _ in tiles(replica.look).values()} == {"-", "- busy"}
    (board,) = boards([replica.look])
    assert [curve.value for curve in board.curves] == [None] * 4


def test_what_never_answered_is_on_no_board():
    assert boards([Look("http://127.0.0.1:1/metrics", problem="Connection refused")]) == []
