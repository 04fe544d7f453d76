"""What wakes a thread that waits."""

import os
from types import SimpleNamespace

from socketscope.serve.threads import waker as module
from socketscope.serve.threads.waker import Waker


def test_who_is_to_be_woken_before_it_waits_is_woken_once():
    waker = Waker()
    waker.wake()
    waker.wake()
    assert waker.wait(0)
    assert not waker.wait(0)


def test_its_descriptor_is_closed_when_nobody_can_wake_any_more(monkeypatch):
    closed = list[int]()
    monkeypatch.setattr(module, "os", SimpleNamespace(**{**vars(os), "close": closed.append}))
    waker = Waker()
    descriptor = waker.descriptor
    assert closed == []
    del waker
    assert closed == [descriptor]
    os.close(descriptor)
