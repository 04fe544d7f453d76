"""A receive that is called wrongly waits for nobody once it has raised, so no deadline passes meanwhile."""

import pytest

from tests.unit.socketscope.observed import observed_pair

WRONG = [
    ("recv", -1),
    ("recv_into", bytearray(1), 5),
    ("recvfrom_into", bytearray(1), 5),
    ("recv_into", b"constant"),
]


@pytest.mark.parametrize("call", WRONG, ids=str)
def test_it_is_over_when_it_has_raised(call):
    near, far, record = observed_pair()
    with near, far:
        method, *args = call
        with pytest.raises((ValueError, TypeError)):
            getattr(near, method)(*args)
        assert record.waiting_since is None
