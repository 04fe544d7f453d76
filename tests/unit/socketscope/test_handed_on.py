"""A connection that a hook has handed on can be handed to another process, as any can."""

import socket
from multiprocessing.reduction import ForkingPickler

import pytest

from socketscope.observe.adoption import ObservedSocket, adopt, watch_end
from socketscope.observe.record import UNLIMITED, Record
from socketscope.observe.totals import Capacity, StreamTotals


@pytest.mark.parametrize("kind", [ObservedSocket, socket.socket])
def test_it_is_pickled_as_the_standard_librarys_class_is(kind):
    near, far = socket.socketpair()
    with kind(near.family, near.type, near.proto, near.detach()) as request, far:
        adopt(request, Record(StreamTotals(Capacity(1)), "", 0.0, UNLIMITED))
        assert watch_end(request)
        assert ForkingPickler.dumps(request)
