"""One user playing programs: takes their actions one after the other."""

from collections.abc import Iterator
from random import Random

from socketscope.replay.measure.ledger import Ledger
from socketscope.replay.play.exchanges import Exchanges
from socketscope.replay.play.failing import Failed
from socketscope.replay.play.loop import Loop, Task
from socketscope.replay.play.targets import Target
from socketscope.replay.script.constructs import HalfClose, Hold, Pause, Reset
from socketscope.replay.script.context import Context
from socketscope.replay.script.program import (
    Action,
    Aside,
    Assignment,
    Expectation,
    Program,
    Sending,
    Table,
)
from socketscope.replay.script.text import decode


class Player:
    """A user. Its generators run in one task of a loop; closing that ends what is under way."""

    def __init__(
        self, target: Target, connect: str | None, ledger: Ledger, loop: Loop, random: Random
    ) -> None:
        self._connect = connect
        self._ledger = ledger
        self._random = random
        self._exchanges = Exchanges(target, ledger, loop, random)

    @property
    def reachable(self) -> bool:
        """Whether the last attempt to connect succeeded."""
        return self._exchanges.reachable

    def play(self, program: Program, user: int, seq: int, lateness: float) -> Task:
        """Play a program once, to its end or to a failure.

        Args:
            program: What to play.
            user: Number of the user, from 1.
            seq: Number of the pass, from 1.
            lateness: Seconds by which the pass begins too late.
        """
        context = {**program.environment, "user": str(user), "seq": str(seq)}
        exchanges = self._exchanges
        connect_for = self._connect or program.connect or "message"
        # What a connection that is kept said when it opened, it does not say again.
        greeting = exchanges.begin_pass(program.file, context, connect_for, lateness)
        action: Action | None = None
        actions = iter(program.actions)
        try:
            for action in actions:
                if greeting is not None and isinstance(action, Expectation) and not action.ends:
                    exchanges.recall(action, greeting)
                    continue
                if greeting is not None and isinstance(action, Sending):
                    exchanges.expect_silence(action)
                    greeting = None
                if (waiting := self._do(action, context)) is not None:
                    yield from waiting
            action = None
            if (waiting := exchanges.end_pass()) is not None:
                yield from waiting
        except Failed as failed:
            exchanges.fail(failed)
        except GeneratorExit:
            exchanges.interrupt(is_complete=_is_complete(action, actions))
            raise
        self._ledger.passed()

    def leave(self) -> Task:
        """Say good-bye, after the last pass."""
        return self._exchanges.leave()

    def _do(self, action: Action, context: Context) -> Task | None:
        """Do what can be done at once, and return what waits."""
        match action:
            case Sending():
                return self._exchanges.send(action)
            case Expectation():
                return self._exchanges.read(action)
            case Pause():
                return self._exchanges.rest(action.seconds(self._random))
            case Hold(seconds):
                return self._exchanges.rest(seconds)
            case HalfClose():
                self._exchanges.half_close()
            case Reset():
                self._exchanges.reset()
            case Assignment(name, template):
                context[name] = decode(template.fill(context, self._random))
            case Table():
                context.update(action.next_row())
            case Aside():
                self._exchanges.asides.known.append(action)
        return None


def _is_complete(action: Action | None, following: Iterator[Action]) -> bool:
    """Return whether all of a reply was read when an action, or for None the pass' end, is interrupted."""
    upcoming = (a for a in following if isinstance(a, Sending | Expectation))
    rests = action is None or isinstance(action, Pause | Hold)
    return rests and not isinstance(next(upcoming, None), Expectation)
