import pytest

from socketscope.replay.watch.keys import HELP, SPANS, Choices


@pytest.mark.parametrize("keys", ["q", "Q", "\x03", "?q", "q?"])
def test_these_keys_end_it(keys):
    assert Choices().after(keys).is_end


def test_others_and_the_keys_that_move_a_cursor_change_nothing():
    assert Choices().after("x\x1b[A\n ") == Choices()


def test_a_pause_and_the_help_are_left_by_what_began_them():
    assert Choices().after("p") == Choices(is_paused=True)
    assert Choices().after("pP") == Choices()
    assert Choices().after("?") == Choices(is_help=True)
    assert Choices().after("??") == Choices()


def test_the_span_grows_and_shrinks_within_its_bounds():
    assert Choices().looks == 1
    assert Choices().after("+").looks == Choices().after("=").looks == SPANS[1]
    assert Choices().after("+" * 9).looks == SPANS[-1]
    assert Choices().after("+" * 9 + "-").looks == SPANS[-2]
    assert Choices().after("-") == Choices()


def test_the_help_fits_a_common_terminal_below_the_heading():
    lines = HELP.splitlines()
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80
