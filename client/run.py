"""A run: users that play programs, in a closed loop or on a schedule, until an end."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random

from client.ledger import Ledger
from client.pacing import Shape, due_times
from client.player import Player
from client.program import Program
from client.stop import Stop
from client.targets import Target

BACKOFF_FIRST = 0.05
BACKOFF_LONGEST = 1.0
"""Seconds of waiting after a connection that failed, doubled each time, with jitter."""

RESTING = 0.1
"""Seconds between looks of a user whom the shape has rest."""

LEAVE = 5.0
"""Seconds that users have to leave at the end, before they are left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run does.

    Attributes:
        users: How many play at once.
        connect: What a connection is for: ``message``, ``pass`` or ``user``.
        loops: How often each user plays each program; None for ever.
        duration: Seconds; None has no such end.
        rate: Passes a second on a schedule; None is a closed loop.
        poisson: Whether the schedule is random.
        shape: Scales the rate, or the users at work.
        think: Seconds between the passes of a user.
        warmup: Seconds that the figures leave out.
        seed: Of everything random.
    """

    users: int
    connect: str
    loops: int | None
    duration: float | None
    rate: float | None
    poisson: bool
    shape: Shape
    think: float
    warmup: float
    seed: int


class Run:
    """Plays programs against a target as planned.

    Attributes:
        ledger: What came of it.
        stop: Ends it early.
        seconds: How long it took, without the warm-up.
    """

    def __init__(self, programs: Sequence[Program], target: Target, plan: Plan) -> None:
        self.ledger = Ledger(dict.fromkeys(step for program in programs for step in program.steps))
        self.stop = Stop()
        self.seconds = 0.0
        self._programs = programs
        self._target = target
        self._plan = plan
        self._passes = count(1)
        self._schedule = _Schedule(plan, len(programs)) if plan.rate is not None else None
        self._players: list[Player] = []
        self._began = self.stop.now()

    def play(self) -> None:
        """Play to the end, which the plan, or `stop`, brings."""
        plan = self._plan
        random = Random(plan.seed)
        self._began = self.stop.now()
        self.ledger.counting = plan.warmup <= 0
        threads = []
        for number in range(1, plan.users + 1):
            player = Player(self._target, plan.connect, self.ledger, self.stop, Random(random.random()))
            self._players.append(player)
            threads.append(
                threading.Thread(
                    target=self._use, args=(player, number, Random(random.random())), daemon=True
                )
            )
        for thread in threads:
            thread.start()
        self._wait(threads)
        ended = self.stop.now()
        self.stop.request()
        for player in self._players:
            player.abort()
        for thread in threads:
            thread.join(LEAVE)
        if self._schedule is not None:
            self.ledger.dropped_passes(
                self._schedule.dropped(min(ended - self._began, plan.duration or ended))
            )
        self.seconds = max(ended - self._began - plan.warmup, 1e-9)

    @property
    def began(self) -> float:
        """When it began, on the performance counter."""
        return self._began

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return self.stop.now() - self._began

    @property
    def target_rate(self) -> float:
        """Passes a second that the schedule asks for now; 0 in a closed loop."""
        plan = self._plan
        return 0.0 if plan.rate is None else plan.rate * plan.shape.factor(self.stop.now() - self._began)

    def _wait(self, threads: list[threading.Thread]) -> None:
        """Return when all users have ended, or the run is to end."""
        plan = self._plan
        while any(thread.is_alive() for thread in threads):
            elapsed = self.stop.now() - self._began
            if not self.ledger.counting and elapsed >= plan.warmup:
                self.ledger.counting = True
            left = 0.05 if plan.duration is None else min(plan.duration - elapsed, 0.05)
            if left <= 0 or self.stop.wait(left):
                return

    def _use(self, player: Player, user: int, random: Random) -> None:
        if self._schedule is None:
            self._loop(player, user, random)
        else:
            self._follow(player, user, random, self._schedule)
        player.disconnect()

    def _loop(self, player: Player, user: int, random: Random) -> None:
        """Play one pass after another: a closed loop."""
        plan, programs = self._plan, self._programs
        backoff = _Backoff(self.stop, random)
        working = False
        passes = count() if plan.loops is None else range(plan.loops * len(programs))
        for number in passes:
            while not self._at_work(user):
                if working:
                    self.ledger.working(-1)
                    working = False
                if self.stop.wait(RESTING):
                    return
            if not working:
                self.ledger.working(1)
                working = True
            if self.stop.requested:
                break
            program = programs[(number + user - 1) % len(programs)]
            player.play(program, user, next(self._passes), 0.0)
            backoff.after(player)
            if plan.think and self.stop.wait(plan.think):
                break
        self.ledger.working(-int(working))

    def _follow(self, player: Player, user: int, random: Random, schedule: "_Schedule") -> None:
        """Play what is due, one pass after another: an open loop, whose passes wait while no user is free."""
        backoff = _Backoff(self.stop, random)
        self.ledger.working(1)
        while (planned := schedule.take()) is not None:
            number, due = planned
            free_at = self.stop.now() - self._began
            if free_at < due and self.stop.wait(due - free_at):
                schedule.give_back(due)
                break
            lateness = self.stop.now() - self._began - due
            if self.stop.requested:
                schedule.give_back(due)
                break
            if free_at < due:
                self.ledger.lagged(lateness)
            player.play(self._programs[number % len(self._programs)], user, next(self._passes), lateness)
            backoff.after(player)
        self.ledger.working(-1)

    def _at_work(self, user: int) -> bool:
        plan = self._plan
        return plan.users * plan.shape.factor(self.stop.now() - self._began) > user - 1


class _Schedule:
    """Passes and when they are due; users take the next one as they become free."""

    def __init__(self, plan: Plan, programs: int) -> None:
        random = Random(plan.seed) if plan.poisson else None
        self._times: Iterator[float] = due_times(plan.rate or 0.0, plan.shape, random)
        self._most = None if plan.loops is None else plan.loops * plan.users * programs
        self._lock = threading.Lock()
        self._taken = 0
        self._not_started: list[float] = []
        self._next = next(self._times)

    def take(self) -> tuple[int, float] | None:
        """Return the number of the next pass, from 0, and when it is due; None when there are no more."""
        with self._lock:
            if self._most is not None and self._taken >= self._most:
                return None
            number, due = self._taken, self._next
            self._taken += 1
            self._next = next(self._times)
            return number, due

    def give_back(self, due: float) -> None:
        """Note that a pass that was taken did not start."""
        with self._lock:
            self._not_started.append(due)

    def dropped(self, end: float) -> int:
        """Return how many passes were due before the end and did not start, once all users have left."""
        with self._lock:
            late = sum(due < end for due in self._not_started)
            while self._next < end and (self._most is None or self._taken < self._most):
                late += 1
                self._taken += 1
                self._next = next(self._times)
            return late


class _Backoff:
    """Keeps a user from knocking at a closed door all the time."""

    def __init__(self, stop: Stop, random: Random) -> None:
        self._stop = stop
        self._random = random
        self._seconds = BACKOFF_FIRST

    def after(self, player: Player) -> None:
        """Wait, after a pass whose connection failed."""
        if player.reachable:
            self._seconds = BACKOFF_FIRST
            return
        self._stop.wait(self._random.uniform(self._seconds / 2, self._seconds))
        self._seconds = min(self._seconds * 2, BACKOFF_LONGEST)
