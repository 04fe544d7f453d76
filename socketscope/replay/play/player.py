"""One user, who plays programs action by action."""

from collections.abc import Iterator
from random import Random

from socketscope.addresses import Address
from socketscope.replay.measure.ledger import Ledger
from socketscope.replay.play.exchanges import Exchanges
from socketscope.replay.play.failing import Failed
from socketscope.replay.play.reading import recall
from socketscope.replay.play.saying import Hear, Saying
from socketscope.replay.script.constructs import Assignment, HalfClose, Hold, Pause, Reset
from socketscope.replay.script.context import Context
from socketscope.replay.script.program import (
    Action,
    Aside,
    Expectation,
    OfStep,
    Opening,
    Program,
    Sending,
    Table,
    ends_connection,
)
from socketscope.replay.script.text import decode
from socketscope.replay.wire.loop import Loop, Task
from socketscope.replay.wire.targets import DATAGRAMS, Target


def misfit(program: Program, connect: str | None, address: Address) -> str | None:
    """Return why a script cannot be played against an address, as a message; None if it can.

    Args:
        program: The script.
        connect: What a connection is for; None leaves it to the script.
        address: The target's.
    """
    if program.connect_for(connect) == "message" and program.is_greeted:
        return (
            f"{program.file} expects the server to speak first: that needs --connect pass or user, "
            "or @connect in the script"
        )
    ends = program.half_closes or any(map(ends_connection, program.actions))
    if ends and address.scheme in DATAGRAMS:
        return f"{program.file} ends a connection, and {address} has none"
    if address.scheme == "tls" and program.half_closes:
        return f"{program.file} has !half-close: TLS closes both directions at once"
    return None


class Player:
    """A user. Its generators run in one task of a loop; closing the task ends what is in progress.

    Attributes:
        exchanges: Its exchanges, and the connection that they use.
    """

    def __init__(
        self,
        target: Target,
        connect: str | None,
        ledger: Ledger,
        loop: Loop,
        random: Random,
        hear: Hear | None = None,
    ) -> None:
        self._connect = connect
        self._ledger = ledger
        self._context = Context(random)
        self._saying = Saying(hear, self._context)
        self.exchanges = Exchanges(target, ledger, loop, self._context, self._saying)

    def play(self, program: Program, user: int, seq: int, lateness: float) -> Task:
        """Play a program once, to its end or to a failure.

        Args:
            program: What to play.
            user: Number of the user, from 1.
            seq: Number of the pass, from 1.
            lateness: Seconds by which the pass begins too late.
        """
        exchanges = self.exchanges
        connect_for = program.connect_for(self._connect)
        if connect_for != "user":
            # The script before may have kept a connection.
            exchanges.disconnect()
        self._context.clear()
        self._context.update(program.environment, user=str(user), seq=str(seq))
        self._saying.begin(user, program.file, seq)
        # On a kept connection the server greets only once.
        greeting = exchanges.begin_pass(program.file, connect_for, lateness)
        action: Action | None = None
        actions = iter(program.actions)
        try:
            for action in actions:
                if greeting is not None and isinstance(action, Expectation) and not action.ends:
                    recall(action, greeting, self._context, self._saying.note)
                    continue
                if greeting is not None and isinstance(action, Sending):
                    exchanges.expect_silence(action)
                if isinstance(action, Sending) or ends_connection(action):
                    greeting = None
                if (waiting := self._do(action)) is not None:
                    yield from waiting
            action = None
            if (waiting := exchanges.end_pass()) is not None:
                yield from waiting
        except Failed as failed:
            # Between two exchanges the answer of an `@on` may fail.
            exchanges.fail(failed, action.step if isinstance(action, OfStep) else program.steps[0])
        except GeneratorExit:
            rests = action is None or isinstance(action, Pause | Hold)
            # A message sent in pieces is slow by itself, not because of the server.
            is_slow = isinstance(action, Sending) and action.chunk > 0
            is_waiting = not (rests or is_slow)
            exchanges.interrupt(is_complete=rests and _is_complete(actions), is_waiting=is_waiting)
            raise
        self._ledger.passed()

    def _do(self, action: Action) -> Task | None:  # noqa: C901 - one case for each kind of action
        """Do what can be done at once; return the task of what has to wait."""
        match action:
            case Sending():
                return self.exchanges.send(action)
            case Expectation():
                return self.exchanges.read(action)
            case Opening():
                return self.exchanges.open(action)
            case Pause():
                return self.exchanges.rest(action.seconds(self._context.random))
            case Hold(seconds):
                return self.exchanges.rest(seconds)
            case HalfClose():
                self.exchanges.link.half_close()
            case Reset():
                self.exchanges.reset()
            case Assignment(name, template):
                self._context[name] = decode(template.fill(self._context))
            case Table():
                self._context.update(action.next_row())
            case Aside():
                self.exchanges.asides.hold(action, self.exchanges.link.connection)
        return None


def _is_complete(following: Iterator[Action]) -> bool:
    """Return whether the actions that follow expect no more of the current reply."""
    upcoming = (a for a in following if isinstance(a, Sending | Expectation))
    return not isinstance(next(upcoming, None), Expectation)
