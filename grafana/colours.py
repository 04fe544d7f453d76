"""Colours: what is well, what is not, and each outcome's own, the same on every panel."""

from socketscope.replay.watch.colours import FAILURES

GOOD, WARNING, BAD = "green", "orange", "red"
PLAIN = "text"
"""Of a figure that is neither good nor bad."""
TRAFFIC = "blue"
"""Of a curve that is neither good nor bad."""
LINE = "#8e8e8e"
"""Of an objective or a limit: a line to measure against, not an alarm."""

SERVED = {"ok": GOOD, "empty": "light-blue", "idle_timeout": "semi-dark-blue", "no_reply": "light-green"}
"""Colours of what ended in order."""

OF_OUTCOME = SERVED | FAILURES

OF_OBJECTIVE = {
    "client-availability": "blue",
    "client-latency": "light-blue",
    "server-availability": "purple",
    "server-latency": "light-purple",
}
"""Colours of objectives, by their `slo`."""
