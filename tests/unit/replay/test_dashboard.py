import io

import pytest
from rich.console import Console

from socketscope.replay.watch.board import boards
from socketscope.replay.watch.dashboard import Curves, draw, plain
from socketscope.replay.watch.replicas import Look, Replica
from tests.unit.replay import pages
from tests.unit.replay.test_board import look


def many() -> list[Look]:
    """Return looks at five servers, of which one has gone, a replay, and one that never answered."""
    up = [look(pages.of_server(0), pages.of_server(100 * n), port=9000 + n) for n in range(4)]
    gone = Replica("http://127.0.0.1:9004/metrics")
    gone.answered(pages.of_server(), 0.0)
    gone.failed("Connection refused", 10.0)
    replay = look(pages.of_replay(), pages.of_replay(ok=30, refused=1), port=9100)
    never = Look("http://127.0.0.1:9200/metrics", problem="Connection refused", since=10.0)
    return [*up, gone.look, replay, never]


def screen(looks: list[Look], columns: int, lines: int) -> list[str]:
    curves = Curves()
    for _ in range(3):
        curves.add(boards(looks))
    console = Console(file=io.StringIO(), width=columns)
    with console.capture() as capture:
        console.print(draw(looks, boards(looks), curves, (columns, lines), now=75.0))
    drawn = [line.rstrip() for line in capture.get().splitlines()]
    assert max(map(len, drawn)) <= columns
    return drawn


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (200, 50), (60, 30)])
def test_it_fits_the_terminal(columns, lines):
    drawn = screen(many()[:3] + many()[5:6], columns, lines)
    assert lines - 4 <= len(drawn) <= lines or lines == 50
    assert drawn[0].startswith("socketscope top  4 of 4 up")
    assert drawn[1].startswith("Servers ──")
    assert sum("█" in line for line in drawn) >= 2


def test_a_server_that_went_away_comes_first_and_says_so():
    drawn = screen(many(), 80, 40)
    assert drawn[0].startswith("socketscope top  5 of 7 up")
    replicas = [line for line in drawn if line.startswith("127.0.0.1:")]
    assert replicas[0] == "127.0.0.1:9004           down for 1:05 min: Connection refused"
    assert replicas[1] == "127.0.0.1:9000           up  0/s  p99 -  0 open"
    assert "and 1 more, 1 of them up" in drawn
    assert drawn[-1] == "127.0.0.1:9200           down for 1:05 min: Connection refused"
    assert "failures: refused 1.00/s (1)" in drawn


def test_a_server_that_drains_says_so():
    drawn = screen([look(pages.of_server(), pages.of_server(draining=1))], 80, 24)
    assert "127.0.0.1:9464           draining  0/s  p99 -  0 open" in drawn


def test_more_columns_show_more_charts():
    looks = [look(pages.of_server(), pages.of_server(5))]
    assert not any("bytes 200 B/s" in line for line in screen(looks, 80, 24))
    assert any("bytes 200 B/s" in line for line in screen(looks, 160, 24))


def test_where_there_is_no_terminal_each_kind_is_a_line():
    servers, replays, *down = plain(many(), boards(many()))
    assert servers.startswith("server 4/5 up; Connections 600/s (exch. 600/s); Not served 0 % (0/s); ")
    assert replays.startswith("replay 1/1 up; Exchanges 31.0/s (pass. 30.0/s); Failed 3.23 % (1.00/s); ")
    assert replays.endswith("; refused 1.00/s (1)")
    assert down == ["127.0.0.1:9004 down: Connection refused", "127.0.0.1:9200 down: Connection refused"]
