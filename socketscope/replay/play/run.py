"""A run: users who play programs, in a closed loop or on a schedule (an open loop)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from math import inf
from random import Random

from socketscope.replay.measure.ledger import Ledger
from socketscope.replay.play.exchanges import QUIET
from socketscope.replay.play.pacing import CONSTANT, Shape
from socketscope.replay.play.player import Player
from socketscope.replay.play.saying import Hear
from socketscope.replay.play.schedule import Schedule
from socketscope.replay.script.program import Program
from socketscope.replay.wire.loop import NEXT_TURN, Loop, Task, Until
from socketscope.replay.wire.targets import Target

BACKOFF_FIRST = 0.05
BACKOFF_LONGEST = 1.0
"""Seconds to wait after a failed connection, doubled each time, with jitter."""

RESTING = 0.1
"""Seconds between looks of a resting user whether the shape has work for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run does. With only users and a seed, each user plays every program for ever.

    Attributes:
        users: How many users play at once.
        seed: The seed of all that is random.
        connect: What a connection is for: ``message``, ``pass`` or ``user``; None leaves it to each script.
        loops: How often each user plays each program; None for ever.
        duration: Seconds; None for no limit.
        rate: Passes a second on a schedule; None for a closed loop.
        poisson: Whether the schedule is random.
        shape: Scales the rate, or the number of users at work.
        think: Seconds between the passes of a user.
        warmup: Seconds at the start that the figures leave out.
        grace: Seconds after the duration in which passes in progress may still end.
    """

    users: int
    seed: int
    connect: str | None = None
    loops: int | None = None
    duration: float | None = None
    rate: float | None = None
    poisson: bool = False
    shape: Shape = CONSTANT
    think: float = 0.0
    warmup: float = 0.0
    grace: float = 0.0


class Run:
    """Plays programs against a target as planned.

    Attributes:
        ledger: The results.
        seconds: For how long passes were due or began, without the warm-up.
        drawn_rate: Passes a second that a random schedule turned out to ask for; None for any other.
        lasted: Seconds that it took, including the warm-up and the wait for the last replies.
        busy: The share of the time in which there was something to do. Near 1, users waited for this
            program and not for the server.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        target: Target,
        plan: Plan,
        loop: Loop | None = None,
        hear: Hear | None = None,
    ) -> None:
        steps = dict.fromkeys(step for program in programs for step in program.steps)
        self.ledger = Ledger(steps, counting=plan.warmup <= 0)
        self.seconds = self.lasted = self.busy = 0.0
        self.drawn_rate: float | None = None
        self._loop = loop or Loop()
        self.ledger.began = self._loop.now()
        self._programs = programs
        self._target = target
        self._plan = plan
        self._hear = hear
        self._begun = 0  # passes
        self._last_began = 0.0  # on the schedule, in seconds since the run began
        self._schedule = _schedule(plan, len(programs))
        self._playing = 0
        self._is_over = False  # no more passes begin
        self._quiet_at = 0.0  # until then, what the server says belongs to the last pass
        self._waited_warming = 0.0
        self._begun_warming = 0

    def play(self) -> None:
        """Play until the plan is done, or `stop` is called."""
        plan, loop = self._plan, self._loop
        random = Random(plan.seed)
        self.ledger.began = loop.now()
        self._playing = plan.users
        if plan.warmup:
            loop.start(self._warm_up())
        for user in range(1, plan.users + 1):
            player = Player(
                self._target, plan.connect, self.ledger, loop, Random(random.random()), self._hear
            )
            loop.start(self._use(player, user, Random(random.random())))
        try:
            loop.run(inf if plan.duration is None else self.began + plan.duration)
            elapsed, waited = self.elapsed, loop.waited
            self._is_over = True
            loop.wake(self.began + min(elapsed, plan.duration or inf))
            if self._under_way and plan.duration is not None:
                loop.run(self.began + plan.duration + plan.grace)
            elif self.ledger.open:
                loop.run(self._quiet_at)
        finally:
            self.lasted = self.elapsed
            loop.close()
            self.ledger.working(-self.ledger.users)
        elapsed = min(elapsed, plan.duration or inf)
        self.seconds = max(elapsed - plan.warmup, 1e-9)
        self.busy = max(1 - (waited - self._waited_warming) / self.seconds, 0.0)
        if (schedule := self._schedule) is not None:
            self.ledger.dropped_passes(schedule.dropped(plan.warmup, elapsed))
            self.ledger.begun = self._begun - self._begun_warming if self.ledger.counting else 0
            end = schedule.end() - plan.warmup
            if plan.poisson and end > 0:
                due = self.ledger.begun - self.ledger.early + self.ledger.dropped
                self.drawn_rate = due / min(self.seconds, end)
            if (end := max(end, self._last_began - plan.warmup)) > 0:
                self.seconds = min(self.seconds, end)

    def stop(self) -> None:
        """Have `play` return now; from any thread or signal handler."""
        self._loop.stop()

    @property
    def began(self) -> float:
        """When the run began, on the loop's clock."""
        return self.ledger.began

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self._loop.now() - self.began

    @property
    def target_rate(self) -> float:
        """Passes a second that the schedule asks for now; 0 in a closed loop, and once the run is over."""
        plan = self._plan
        return 0.0 if plan.rate is None or self._is_over else plan.rate * plan.shape.factor(self.elapsed)

    @property
    def _under_way(self) -> int:
        """Passes that have begun and not ended."""
        return self._begun - self.ledger.passes

    def _warm_up(self) -> Task:
        yield Until(self.began + self._plan.warmup)
        self._waited_warming, self._begun_warming = self._loop.waited, self._begun
        self.ledger.count_from_now()

    def _use(self, player: Player, user: int, random: Random) -> Task:
        try:
            if self._schedule is None:
                yield from self._repeat(player, user, random)
            else:
                yield from self._follow(player, user, random, self._schedule)
            yield from player.exchanges.leave()
        finally:
            player.exchanges.disconnect()
        self._playing -= 1
        if not self._playing:
            self.stop()

    def _repeat(self, player: Player, user: int, random: Random) -> Task:
        """Play one pass after another: a closed loop."""
        plan, programs = self._plan, self._programs
        backoff = _Backoff(random)
        working = False
        for number in count() if plan.loops is None else range(plan.loops * len(programs)):
            if number and plan.think:
                yield Until(self._loop.now() + plan.think)
            while not self._at_work(user):
                if working:
                    self.ledger.working(-1)
                    working = False
                yield Until(self._loop.now() + RESTING)
            if self._is_over:
                break
            if not working:
                self.ledger.working(1)
                working = True
            program = programs[(number + user - 1) % len(programs)]
            yield from self._play(player, program, user, 0.0, backoff)
        self.ledger.working(-int(working))

    def _follow(self, player: Player, user: int, random: Random, schedule: Schedule) -> Task:
        """Play passes as they are due: an open loop, in which a pass waits while no user is free."""
        backoff = _Backoff(random)
        self.ledger.working(1)
        while not self._is_over and (planned := schedule.take()) is not None:
            number, due = planned
            free_at = self.elapsed
            if free_at < due:
                try:
                    yield Until(self.began + due)
                except GeneratorExit:
                    schedule.give_back(due)
                    raise
            # A pass that was due before the end begins even if this thread is late: its user was free.
            if self._is_over and due >= (self._plan.duration or inf):
                schedule.give_back(due)
                break
            self._last_began = self.elapsed
            lateness = max(self._last_began - due, 0.0)
            self.ledger.early += self.ledger.counting and due < self._plan.warmup
            if free_at < due:
                self.ledger.lagged(lateness)
            program = self._programs[number % len(self._programs)]
            yield from self._play(player, program, user, lateness, backoff)
            if self._plan.think:
                yield Until(self._loop.now() + self._plan.think)
        self.ledger.working(-1)

    def _play(
        self, player: Player, program: Program, user: int, lateness: float, backoff: "_Backoff"
    ) -> Task:
        """Play a pass; then back off if it could not connect, and let the other users have their turn."""
        turns = self._loop.turns
        self._begun += 1
        began = self.elapsed
        yield from player.play(program, user, self._begun, lateness)
        self._weigh(began, self.elapsed)
        self._quiet_at = self._loop.now() + QUIET
        if self._is_over and not self._under_way:
            yield from player.exchanges.leave()
            self.stop()
        if not player.exchanges.link.reachable:
            yield Until(self._loop.now() + backoff.next())
            return
        backoff.reset()
        if self._loop.turns == turns:
            yield NEXT_TURN

    def _weigh(self, began: float, ended: float) -> None:
        """Note the share of a pass that was in the warm-up or the grace, which no rate counts."""
        plan = self._plan
        inside = max(min(ended, plan.duration or inf) - max(began, plan.warmup), 0.0)
        if (took := ended - began) > inside:
            self.ledger.outside += 1 - inside / took

    def _at_work(self, user: int) -> bool:
        plan = self._plan
        if plan.shape is CONSTANT:
            return True
        return plan.users * plan.shape.factor(self.elapsed) > user - 1


def _schedule(plan: Plan, programs: int) -> Schedule | None:
    if plan.rate is None:
        return None
    most = inf if plan.loops is None else plan.loops * plan.users * programs
    random = Random(plan.seed) if plan.poisson else None
    return Schedule(plan.rate, plan.shape, most, random, plan.duration or inf)


class _Backoff:
    """How long a user waits after a failed connection."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._longest = BACKOFF_FIRST

    def next(self) -> float:
        """Return seconds to wait: longer each time, and random, so that users do not all come at once."""
        seconds = self._random.uniform(self._longest / 2, self._longest)
        self._longest = min(self._longest * 2, BACKOFF_LONGEST)
        return seconds

    def reset(self) -> None:
        """Start over, after a connection that did not fail."""
        self._longest = BACKOFF_FIRST
