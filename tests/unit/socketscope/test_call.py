"""What wakes a thread that waits."""

import os
from types import SimpleNamespace

from socketscope.serve import call as module
from socketscope.serve.call import Call


def test_who_was_called_before_is_woken_once():
    call = Call()
    call.wake()
    call.wake()
    assert call.wait(0)
    assert not call.wait(0)


def test_its_descriptor_is_closed_when_nobody_can_call_any_more(monkeypatch):
    closed = list[int]()
    monkeypatch.setattr(module, "os", SimpleNamespace(**{**vars(os), "close": closed.append}))
    call = Call()
    descriptor = call.descriptor
    assert closed == []
    del call
    assert closed == [descriptor]
    os.close(descriptor)
