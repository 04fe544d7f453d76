"""`top`: asks replicas for their metrics, and shows them until the user ends it."""

import os
import select
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.live import Live

from socketscope.replay.show.terminal import can_be_redrawn
from socketscope.replay.watch.board import boards
from socketscope.replay.watch.curves import Curves
from socketscope.replay.watch.dashboard import Seen, draw, plain
from socketscope.replay.watch.keys import END, Choices
from socketscope.replay.watch.replicas import Watch
from socketscope.replay.watch.scrape import Unreachable, Unusable

_LOOK = 0.5
"""Seconds within which a key, or a new size of the terminal, is noticed."""


def first_look(urls: Sequence[str], every: float) -> list[Watch]:
    """Return a watch for each URL, asked once.

    Raises:
        Unusable: None answers, or one answers with something else than metrics of this project.
    """
    watches = [Watch(url, every) for url in dict.fromkeys(urls)]
    problems = {watch.look.url: watch.ask() for watch in watches}
    for url, problem in problems.items():
        if problem is not None and not isinstance(problem, Unreachable):
            raise Unusable(f"{url} {problem}")
    if all(problems.values()):
        raise Unusable("; ".join(f"{url} cannot be reached: {problem}" for url, problem in problems.items()))
    return watches


def show(
    watches: Sequence[Watch], every: float, note: str = "", check: Callable[[], Any] = lambda: None
) -> None:
    """Show what the watches see until a key ends it.

    Args:
        watches: Watches that have asked once.
        every: Seconds between two looks.
        note: A note for the heading, in a terminal.
        check: Called between two looks; may raise to end it.
    """
    with ExitStack() as stack:
        for watch in watches:
            watch.start()
            stack.callback(watch.stop)
        if can_be_redrawn(sys.stdout):
            _redraw(watches, every, note, check)
        else:
            _print(watches, every, check)


def _redraw(watches: Sequence[Watch], every: float, note: str, check: Callable[[], Any]) -> None:
    curves, due = Curves(every), time.monotonic()
    choices = Choices()
    kept: Seen | None = None
    console = Console()
    with _keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
        while not choices.is_end:
            looks = [watch.look for watch in watches]
            seen = Seen(looks, boards(looks), curves, time.monotonic())
            while seen.now >= due:  # several times, if it was stopped meanwhile
                curves.add(seen.boards)
                due += every
            # Values that come during a pause are kept, so that the charts have no gap afterwards.
            kept = (kept or seen.kept()) if choices.is_paused else None
            size = console.width, console.height
            live.update(draw(kept or seen, size, choices, note), refresh=True)
            choices = choices.after(pressed(max(min(due - time.monotonic(), _LOOK), 0.0)))
            check()


def _print(watches: Sequence[Watch], every: float, check: Callable[[], Any]) -> None:
    # Half an interval after the watches, so that each line shows what they have just seen.
    time.sleep(every / 2)
    while True:
        time.sleep(every)
        check()
        looks = [watch.look for watch in watches]
        at = datetime.now().astimezone().isoformat(timespec="seconds")
        for line in plain(looks, boards(looks)):
            print(at, line, flush=True)  # noqa: T201 - what it is for


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Read keys at once and without echo; yield a function that waits that many seconds for some."""
    if not sys.stdin.isatty():
        yield _no_keys
        return
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    now = termios.tcgetattr(keyboard)
    now[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG)
    termios.tcsetattr(keyboard, termios.TCSADRAIN, now)

    def pressed(seconds: float) -> str:
        if not select.select([keyboard], [], [], seconds)[0]:
            return ""
        # A terminal that has gone is at its end, which ends `top` too.
        return os.read(keyboard, 1024).decode("ascii", "replace") or END

    try:
        yield pressed
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def _no_keys(seconds: float) -> str:
    time.sleep(seconds)
    return ""
