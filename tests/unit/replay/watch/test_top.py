import io
import sys
from types import SimpleNamespace

import pytest

from socketscope.replay.watch import top

STOPPED = 100.0


def test_after_a_stop_it_does_not_redraw_once_for_each_look_that_it_missed(monkeypatch):
    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        clock.now += seconds if len(pauses) != 4 else STOPPED
        if len(pauses) == 8:
            raise KeyboardInterrupt

    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr(top, "time", SimpleNamespace(monotonic=lambda: clock.now, sleep=sleep))
    with pytest.raises(KeyboardInterrupt):
        top._redraw([], 1.0, "", lambda: None)
    assert min(pauses) > 0
