"""What clients and servers say to a recorder."""

from socketscope.replay.record.conversation import Conversation
from socketscope.replay.record.recorder import written
from socketscope.replay.record.secrets import Secrets
from socketscope.replay.record.tape import Tape
from socketscope.replay.record.transcript import transcript


def tape(*said) -> Tape:
    """Return a tape of what the client (`>`) and the server (`<`) said, and how they ended."""
    taken = Tape(0.0)
    for now, (who, data) in enumerate(said):
        match who:
            case ">":
                taken.client_said(data, now * 0.01)
            case "<":
                taken.server_said(data, now * 0.01)
            case "interrupted":
                taken.interrupted(now * 0.01 + float(data or 0))
            case _:
                getattr(taken, who)()
    return taken


def conversation(*said, secrets=None) -> Conversation:
    taken = tape(*said).conversation()
    assert taken is not None
    return written(taken, secrets or Secrets(()))


def script(*said, secrets=None) -> str:
    return shown(conversation(*said, secrets=secrets))


def shown(conversation: Conversation, *, steps: bool = False) -> str:
    """Return a script without what all have, and without its steps unless they are asked for."""
    head, *lines = transcript(conversation).splitlines(keepends=True)
    assert head == "@connect pass\n"
    return "".join(line for line in lines if steps or not line.startswith("=="))


LEFT = ("client_ended", b"")
CLOSED = ("server_ended", b"")
RESET = ("client_reset", b"")
CUT = ("interrupted", b"")
