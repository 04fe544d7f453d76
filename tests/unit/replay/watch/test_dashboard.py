import io

import pytest
from rich.console import Console

from socketscope.replay.watch.board import boards
from socketscope.replay.watch.curves import Curves
from socketscope.replay.watch.dashboard import Seen, draw, plain
from socketscope.replay.watch.keys import Choices
from socketscope.replay.watch.replicas import Look, Watch
from tests.unit.replay.watch import pages
from tests.unit.replay.watch.test_board import look


def many() -> list[Look]:
    """Return looks at five servers, of which one has gone, a replay, and one that never answered."""
    up = [look(pages.of_server(0), pages.of_server(100 * n), port=9000 + n) for n in range(4)]
    gone = Watch("http://127.0.0.1:9004/metrics", every=1.0)
    gone.answered(pages.of_server(), 0.0)
    gone.failed("Connection refused", 10.0)
    replay = look(pages.of_replay(), pages.of_replay(ok=30, refused=1), port=9100)
    never = Look("http://127.0.0.1:9200/metrics", problem="Connection refused", since=10.0)
    return [*up, gone.look, replay, never]


AS_AT_FIRST = Choices()


def screen(looks: list[Look], columns: int, lines: int, choices: Choices = AS_AT_FIRST) -> list[str]:
    curves = Curves(1.0)
    for _ in range(3):
        curves.add(boards(looks))
    console = Console(file=io.StringIO(), width=columns)
    with console.capture() as capture:
        console.print(draw(Seen(looks, boards(looks), curves, now=75.0), (columns, lines), choices))
    drawn = [line.rstrip() for line in capture.get().splitlines()]
    assert max(map(len, drawn)) <= columns
    return drawn


def test_of_who_was_asked_once_no_rate_is_known():
    (told,) = (line for line in screen([look(pages.of_server(9, open=3))], 120, 50) if "127.0.0.1" in line)
    assert told.endswith("up  last 5 s: -, p99 -; now: 3 open")


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (200, 50), (60, 30), (100, 60), (78, 25)])
def test_it_fills_the_terminal(columns, lines):
    drawn = screen(many()[:3] + many()[5:6], columns, lines)
    assert len(drawn) == lines
    assert "" not in drawn
    assert drawn[0].startswith("socketscope top  4 of 4 up")
    assert drawn[0].endswith("? help, q ends")
    assert drawn[1].startswith("Servers, last 5 s ──")
    assert sum("█" in line for line in drawn) >= 2


@pytest.mark.parametrize("columns", [60, 80, 100, 200])
@pytest.mark.parametrize("lines", range(20, 90, 7))
def test_one_board_fills_it_too(columns, lines):
    drawn = screen(many()[1:2], columns, lines)
    assert len(drawn) == lines
    assert "" not in drawn


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_each_figure_stands_below_the_name_of_its_window(columns):
    drawn = screen(many()[1:2], columns, 24)
    open_at = next(line.index("Open") for line in drawn if "Open" in line)
    heading = next(line for line in drawn if " now " in line or line.startswith("now "))
    assert heading.index("now") == open_at
    assert heading.count("last 5 s") == (0 if columns == 60 else 1)
    assert "connections 100/s, last 1 s" in "\n".join(drawn)
    replica = "127.0.0.1:9001           up  last 5 s: 100/s, p99 249 µs; now: 0 open"
    assert drawn[-1] == (replica if columns >= 80 else replica[: columns - 1] + "…")


def test_charts_have_axes():
    drawn = screen(many()[1:2], 80, 24)
    assert any(line.startswith("    100/s┤") for line in drawn)
    assert any(line.startswith("        0└────────┴-20 s────┴-10 s──now ") for line in drawn)
    longer = screen(many()[1:2], 80, 24, Choices(span=1))
    assert any(line.startswith("        0└────────┴-40 s────┴-20 s──now ") for line in longer)


def test_a_terminal_that_is_too_small_shows_what_it_needs():
    assert screen(many(), 20, 6) == ["needs 58x21, q ends", "5 of 7 up"]
    assert screen(many()[:1], 50, 30) == ["needs 58x30, q ends", "1 of 1 up"]
    assert screen(many()[:1], 80, 6) == ["needs 80x7, q ends", "1 of 1 up"]


@pytest.mark.parametrize("columns", [80, 200])
def test_the_words_are_explained(columns):
    drawn = screen(many(), columns, 24, Choices(is_help=True))
    assert len(drawn) <= 24
    text = "\n".join(drawn)
    for word in (
        "Connections",
        "Not served",
        "Response",
        "Intended",
        "Target rate",
        "lag",
        "last 5 s",
        "now",
    ):
        assert word in text


def test_that_it_is_paused_is_said():
    assert "paused" in screen(many(), 80, 24, Choices(is_paused=True))[0]
    assert "paused" not in screen(many(), 80, 24)[0]


def test_what_is_kept_stays_as_it_is():
    looks = [look(pages.of_server(), pages.of_server(5))]
    (board,) = shown = boards(looks)
    curves = Curves(1.0)
    curves.add(shown)
    kept = Seen(looks, shown, curves, 0.0).kept()
    curves.add(shown)
    assert kept.curves.of(board, board.curves[0], 9) == [5.0]
    assert curves.of(board, board.curves[0], 9) == [5.0, 5.0]


def test_a_server_that_went_away_comes_first_and_says_so():
    drawn = screen(many(), 80, 40)
    assert len(drawn) == 40
    assert drawn[0].startswith("socketscope top  5 of 7 up")
    replicas = [line for line in drawn if line.startswith("127.0.0.1:")]
    assert replicas[0] == "127.0.0.1:9004           down for 1:05 min: Connection refused"
    assert replicas[1] == "127.0.0.1:9000           up  last 5 s: 0/s, p99 -; now: 0 open"
    assert "and 1 more, 1 of them up" in drawn
    assert drawn[-1] == "127.0.0.1:9200           down for 1:05 min: Connection refused"
    assert "failures, last 5 s (since the start): refused 1.00/s (1)" in drawn


def test_where_nobody_answers_it_is_not_said_that_nothing_has_failed():
    assert "no failures since the start" in screen(many()[:1], 80, 24)
    assert "failures unknown" in screen(many()[4:5], 80, 24)


def coloured(look: Look) -> str:
    console = Console(file=io.StringIO(), width=160, force_terminal=True, color_system="truecolor")
    with console.capture() as capture:
        console.print(draw(Seen([look], boards([look]), Curves(1.0), 0.0), (160, 30), AS_AT_FIRST))
    return capture.get()


def test_whether_all_answer_is_told_in_green_or_red():
    assert "\x1b[32m1 of 1 up" in coloured(look(pages.of_server()))
    assert "\x1b[1;31m0 of 1 up" in coloured(many()[4])


def test_each_failure_has_a_colour_of_its_own_while_it_goes_on():
    drawn = coloured(look(pages.of_replay(ok=1), pages.of_replay(ok=9, refused=1, timeout=1)))
    assert "\x1b[38;2;163;82;204mrefused 1.00/s" in drawn
    assert "\x1b[38;2;255;152;48mtimeout 1.00/s" in drawn
    over = coloured(look(pages.of_replay(refused=1), pages.of_replay(refused=1)))
    assert "refused 0/s" in over
    assert "163;82;204" not in over


def test_a_server_that_drains_says_so():
    drawn = screen([look(pages.of_server(), pages.of_server(draining=1))], 80, 24)
    assert "127.0.0.1:9464           draining  last 5 s: 0/s, p99 -; now: 0 open" in drawn


def test_more_columns_show_more_charts():
    looks = [look(pages.of_server(), pages.of_server(5))]
    assert not any("bytes in and out 200 B/s" in line for line in screen(looks, 80, 24))
    assert any("bytes in and out 200 B/s" in line for line in screen(looks, 160, 24))


def test_where_there_is_no_terminal_each_kind_is_a_line():
    servers, replays, *down = plain(many(), boards(many()))
    assert servers.startswith("server 4/5 up; last 5 s: Connections 600/s (exchanges 600/s), Not served 0 % ")
    assert replays.startswith("replay 1/1 up; last 5 s: Exchanges 31.0/s (passes 30.0/s), Failed 3.23 % ")
    assert "; now: Open 0 (of 4,000), Threads 4 busy (12 idle), waiting to be accepted 0" in servers
    assert replays.endswith("; failures, last 5 s (since the start): refused 1.00/s (1)")
    assert down == ["127.0.0.1:9004 down: Connection refused", "127.0.0.1:9200 down: Connection refused"]
