"""Figures of a single exchange."""

from collections import Counter

from socketscope.replay.measure.sketch import Sketch
from socketscope.replay.measure.timeline import Slot


def slot(outcome: str, service: float = 0.001, lateness: float = 0.0) -> Slot:
    if outcome != "ok":
        return Slot(Counter({outcome: 1}))
    return Slot(Counter({"ok": 1}), Sketch([service]), Sketch([service + lateness]))
