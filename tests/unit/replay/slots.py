"""Figures of a single exchange."""

from socketscope.replay.measure.sketch import Sketch
from socketscope.replay.measure.timeline import Slot


def slot(outcome: str, service: float = 0.001, lateness: float = 0.0) -> Slot:
    if outcome != "ok":
        return Slot({outcome: 1})
    return Slot({"ok": 1}, Sketch([service]), Sketch([service + lateness]))
