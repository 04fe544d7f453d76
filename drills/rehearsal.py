"""One drill, from its beginning to its end: what was seen of it, and when."""

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from drills.drill import Drill
from drills.stack import Stack, StackError

CALM = 60.0
"""Seconds for which what is there already of a fault may take to go."""
SEEN = 60.0
"""Seconds within which the fault must show."""
TOLD = 240.0
"""Seconds within which its alert must fire; that of a rate looks minutes back."""
QUIET = 60.0
"""Seconds for which what must alarm nobody is watched: more than the window and the wait of any symptom."""
RESOLVED = 330.0
"""Seconds within which the alert must end; ReplicaDown remembers for five minutes."""
STEP = 0.5
"""Seconds between two looks."""
SHOWN = 3
"""Log lines that are shown."""


class StoppedError(Exception):
    """Somebody wants the drill to end before it has."""


@dataclass(slots=True)
class Outcome:
    """What was seen of a drill.

    Attributes:
        seen: Seconds from its beginning until the series moved; none for never.
        told: Seconds from its beginning until the alert fired.
        resolved: Seconds from the fault's end until the alert had ended.
        others: Alerts that fired beside it and did not before.
        lines: The log lines behind it, as its command prints them.
    """

    seen: float | None = None
    told: float | None = None
    resolved: float | None = None
    others: set[str] = field(default_factory=set)
    lines: str = ""

    def is_as_told(self, drill: Drill) -> bool:
        """Return whether it showed, was told and resolved as it must, and nothing else was told."""
        if self.seen is None or self.others:
            return False
        return drill.alert is None or None not in {self.told, self.resolved}


class Rehearsal:
    """A drill on a stack.

    Args:
        stack: What it is done to.
        say: Takes what a person is to read, line by line.
        wait: Lets seconds pass, and returns whether the drill is to end now.
        quiet: Seconds for which what must alarm nobody is watched.
        clock: Seconds from anywhere.
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
            StackError: The stack does not do what it was asked to, or shows what it must not yet.
            StoppedError: It was to end before it had.
        """
        self._began = self._clock()
        outcome, before = Outcome(), set(self._stack.firing())

        def firing() -> set[str]:
            """Return the alerts that fire; those that should not are entered in the outcome."""
            found = set(self._stack.firing())
            outcome.others.update(found - before - {drill.alert})
            return found

        with self._stack.at_least(drill.servers):
            if self._until(lambda: self._is_calm(drill), CALM, self._began) is None:
                raise StackError(f"{drill.name} cannot begin: what it must show is there already")
            self._pause(0)  # a stop that was asked for while servers started comes before the fault
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
        """See the series move and the alert fire, or none."""
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
        """Return how many seconds it took from a moment on, or none where it takes too many from now."""
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
