"""The keys of `top`, and the page that explains them and its figures. No I/O."""

from dataclasses import dataclass, replace

SPANS = (1, 2, 5, 10, 30)
"""Numbers of looks that a column of a chart may stand for."""

END = "qQ\x03"
"""q, Q, and Ctrl-C, which here is a key and no signal, so that `make` does not report one."""

# On some keyboards these need the shift key, on others not.
_LONGER, _SHORTER, _PAUSE, _EXPLAIN = "+=", "-_", "pP", "?h"

HELP = """
?    this page, and back                  p    pause, and go on
+ -  longer and shorter span of charts    q    end, as Ctrl-C does

last 5 s        what stands below is of these seconds
now             what stands below is so at the latest look
charts          a column has the highest value of its time; the axis says when

Connections     accepted a second; exchanges: messages answered a second
Not served      connections that failed or were refused, and how many a second
Response        from a message's last byte to its reply's last byte
Within 10 ms    share of the responses that took no longer
to be accepted  connections that wait in the kernel until a thread is free

Exchanges       the replay's, a second; passes: scripts played, a second
Service         from the send to the reply's last byte
Intended        the same from when it was due, which a stall cannot hide
Target rate     passes a second asked for; lag: how late the client itself is
closed loop     no rate is asked for: users send as soon as they were answered
"""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user has chosen to see.

    Attributes:
        span: Index into `SPANS`.
        is_paused: Whether the figures are paused.
        is_help: Whether the explanation is shown, and not the boards.
        is_end: Whether the user has asked for the end.
    """

    span: int = 0
    is_paused: bool = False
    is_help: bool = False
    is_end: bool = False

    @property
    def looks(self) -> int:
        """The number of looks that a column stands for."""
        return SPANS[self.span]

    def after(self, keys: str) -> "Choices":
        """Return the choices after some keys; unknown keys change nothing."""
        chosen = self
        for key in keys:
            if key in END:
                chosen = replace(chosen, is_end=True)
            elif key in _LONGER:
                chosen = replace(chosen, span=min(chosen.span + 1, len(SPANS) - 1))
            elif key in _SHORTER:
                chosen = replace(chosen, span=max(chosen.span - 1, 0))
            elif key in _PAUSE:
                chosen = replace(chosen, is_paused=not chosen.is_paused)
            elif key in _EXPLAIN:
                chosen = replace(chosen, is_help=not chosen.is_help)
        return chosen
