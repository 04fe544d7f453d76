"""One drill from beginning to end: what was seen of it, and when."""

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from drills.drill import Drill
from drills.stack import Stack, StackError

CALM = 60.0
"""Seconds within which the signs of an earlier fault must have gone."""
SEEN = 60.0
"""Seconds within which the fault must show."""
TOLD = 240.0
"""Seconds within which its alert must fire; an alert on a rate looks minutes back."""
QUIET = 60.0
"""Seconds to watch a fault that must alarm nobody: longer than the window and the wait of any symptom."""
RESOLVED = 330.0
"""Seconds within which the alert must resolve; ReplicaDown remembers for five minutes."""
STEP = 0.5
"""Seconds between two looks."""
SHOWN = 3
"""Log lines that are shown."""


class StoppedError(Exception):
    """The drill was asked to end early."""


@dataclass(slots=True)
class Outcome:
    """What was seen of a drill.

    Attributes:
        seen: Seconds from the beginning until the series moved; None if it never did.
        told: Seconds from the beginning until the alert fired.
        resolved: Seconds from the end of the fault until the alert resolved.
        others: Other alerts that fired, but not before the drill.
        lines: The log lines of the fault, as the drill's command prints them.
    """

    seen: float | None = None
    told: float | None = None
    resolved: float | None = None
    others: set[str] = field(default_factory=set)
    lines: str = ""

    def is_as_told(self, drill: Drill) -> bool:
        """Return whether it showed, its alert fired and resolved as they must, and no other alert fired."""
        if self.seen is None or self.others:
            return False
        return drill.alert is None or None not in {self.told, self.resolved}


class Rehearsal:
    """A drill on a stack.

    Args:
        stack: Where the fault is provoked.
        say: Shows a person a line.
        wait: Waits this many seconds, and returns whether the drill was asked to end.
        quiet: Seconds to watch a fault that must alarm nobody.
        clock: Returns seconds from any starting point.
    """

    def __init__(
        self,
        stack: Stack,
        say: Callable[[str], object],
        wait: Callable[[float], bool],
        quiet: float = QUIET,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stack = stack
        self._say = say
        self._wait = wait
        self._quiet = quiet
        self._clock = clock
        self._began = 0.0

    def play(self, drill: Drill) -> Outcome:
        """Provoke a fault, watch it, and leave nothing of it.

        Raises:
            StackError: The stack does not do what it was asked to, or shows the fault before it begins.
            StoppedError: The drill was asked to end early.
        """
        self._began = self._clock()
        outcome, before = Outcome(), set(self._stack.firing())

        def firing() -> set[str]:
            """Return the alerts that fire, and note in the outcome those that should not."""
            found = set(self._stack.firing())
            outcome.others.update(found - before - {drill.alert})
            return found

        with self._stack.at_least(drill.servers):
            if self._until(lambda: self._is_calm(drill), CALM, self._began) is None:
                raise StackError(f"{drill.name} cannot begin: what it must show is there already")
            self._pause(0)  # the drill may have been asked to end while servers started
            self._began = self._clock()
            self._note("begins")
            with drill.fault(self._stack):
                self._watch(drill, outcome, firing)
            ended = self._clock()
            self._note("the fault has ended")
            if outcome.told is not None:
                outcome.resolved = self._until(lambda: drill.alert not in firing(), RESOLVED, ended)
                self._note(f"{drill.alert} {'still fires' if outcome.resolved is None else 'has resolved'}")
        self._note(f"other alerts: {', '.join(sorted(outcome.others)) or 'none'}")
        return outcome

    def _watch(self, drill: Drill, outcome: Outcome, firing: Callable[[], set[str]]) -> None:
        """Watch the series move, and the alert fire or no alert at all."""
        outcome.seen = self._until(lambda: self._stack.query(drill.seen), SEEN, self._began)
        if outcome.seen is None:
            self._note("nothing is seen")
            return
        for series in self._stack.query(drill.seen):
            labels = ", ".join(f"{name}={value}" for name, value in series["metric"].items())
            self._note(f"seen: {float(series['value'][1]):.4g}  {labels}")
        if drill.alert is None:
            over = self._clock() + self._quiet
            while self._clock() < over:
                firing()
                self._pause()
            self._note(f"watched for {self._quiet:.0f} s")
        else:
            outcome.told = self._until(lambda: drill.alert in firing(), TOLD, self._began)
            told = self._stack.firing().get(drill.alert)
            self._note(f"{drill.alert} fires: {told['annotations']['summary']}" if told else "no alert fires")
        self._show_lines(drill, outcome)

    def _show_lines(self, drill: Drill, outcome: Outcome) -> None:
        if drill.lines is None:
            return
        self._say(f"    {drill.lines}")
        if shutil.which("jq") is None:
            self._say("    (jq is not installed)")
            return
        with suppress(StackError):
            outcome.lines = self._stack.shell(drill.lines)
        for line in outcome.lines.splitlines()[-SHOWN:]:
            self._say(f"    {line}")

    def _is_calm(self, drill: Drill) -> bool:
        return drill.alert not in self._stack.firing() and not self._stack.query(drill.seen)

    def _until(self, condition: Callable[[], object], seconds: float, since: float) -> float | None:
        """Return the seconds since a moment once a condition holds; None if it does not in time."""
        over = self._clock() + seconds
        while not condition():
            if self._clock() > over:
                return None
            self._pause()
        return self._clock() - since

    def _pause(self, seconds: float = STEP) -> None:
        if self._wait(seconds):
            self._note("it is to end: what was done is undone")
            raise StoppedError

    def _note(self, text: str) -> None:
        self._say(f"{self._clock() - self._began:6.1f} s  {text}")
