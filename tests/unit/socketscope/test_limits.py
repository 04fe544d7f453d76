import math
import re

import pytest

from socketscope import Limits


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"max_connections": 0}, "max_connections is 0: it must be at least 1"),
        ({"max_connections": math.nan}, "max_connections is nan: it must be at least 1"),
        ({"max_connections": 1.5}, "max_connections is 1.5: it must be a whole number"),
        ({"read_timeout": 0}, "read_timeout is 0 s: it must be more than 0 and at most"),
        ({"read_timeout": 1e30}, "read_timeout is 1e+30 s: it must be more than 0 and at most 1e+09"),
        ({"read_timeout": 10**9 + 1}, "read_timeout is 1000000001 s: it must be more than 0"),
        ({"drain_delay": 10**400}, "it must be from 0 to 1e+09"),
        ({"write_timeout": -1}, "write_timeout is -1 s: it must be more than 0"),
        ({"idle_timeout": math.nan}, "idle_timeout is nan s: it must be more than 0"),
        ({"drain_timeout": -1}, "drain_timeout is -1 s: it must be from 0 to 1e+09"),
        ({"drain_grace": math.inf}, "drain_grace is inf s: it must be from 0 to 1e+09"),
        ({"drain_delay": math.nan}, "drain_delay is nan s: it must be from 0 to 1e+09"),
        ({"when_full": "Refuse"}, "when_full is 'Refuse': it must be 'refuse' or 'queue'"),
    ],
)
def test_limits_that_cannot_be_meant_are_refused(wrong, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        Limits(**wrong)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"read_timeout": "10s"}, "read_timeout is '10s': it must be a number of seconds"),
        ({"read_timeout": True}, "read_timeout is True: it must be a number of seconds"),
        ({"drain_timeout": None}, "drain_timeout is None: it must be a number of seconds"),
        ({"max_connections": None}, "max_connections is None: it must be a number of connections"),
        ({"max_connections": "5"}, "max_connections is '5': it must be a number of connections"),
    ],
)
def test_what_is_no_number_is_told_by_its_name(wrong, told):
    with pytest.raises(TypeError, match=re.escape(told)):
        Limits(**wrong)


def test_limits_are_none_where_that_is_said():
    none = Limits(read_timeout=None, write_timeout=None, idle_timeout=None)
    assert none == Limits()
