"""JSON by the standard library is what orjson makes: a line is the same on every interpreter."""

import enum
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from http import HTTPStatus

import pytest

from socketscope.views.lines import plain_json

orjson = pytest.importorskip("orjson", reason="orjson is not for an interpreter without a lock")


class Kind(enum.Enum):
    ONE = 1


class Text(str):
    __slots__ = ()


class Number(int):
    __slots__ = ()


@dataclass
class Pair:
    number: int = 1
    text: str = "é"
    _private: int = 2


itself: list[object] = []
itself.append(itself)

VALUES = [
    {"a": 1, "b": None, "c": True, "d": "", "e": 0.1, "f": 1.0, "g": [1, (2, "x")], "h": {}},
    {"not finite": [float("nan"), float("inf")]},
    'é\n\x00\x1b\u2028\\"/',
    "\ud800",
    Text("x"),
    Number(4),
    HTTPStatus.OK,
    {1: 2},
    {None: 1},
    (1 << 64) - 1,
    1 << 64,
    -(1 << 63),
    -(1 << 63) - 1,
    datetime(2020, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    datetime(2020, 1, 2),  # noqa: DTZ001 - as a handler may log it
    datetime(2020, 1, 2, tzinfo=timezone(timedelta(hours=2))),
    date(2020, 1, 2),
    time(1, 2),
    uuid.UUID(int=3),
    Kind.ONE,
    Pair(),
    {1, 2},
    b"bytes",
    itself,
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_it_is_what_orjson_makes(value):
    try:
        expected = orjson.dumps(value, default=repr, option=orjson.OPT_UTC_Z)
    except TypeError:
        with pytest.raises(TypeError):
            plain_json.dumps(value, default=repr)
    else:
        assert plain_json.dumps(value, default=repr) == expected


@pytest.mark.parametrize(
    "line",
    [
        b'{"a":[1,2.5,null,true,"\xc3\xa9"]}', b'{"a":NaN}', b'{"a":-Infinity}', b'{"a":"\xff"}', b"{",
        b'{"a":' + 100_000 * b"[", '{"a":1}'.encode("utf-16-le"),
    ],
    ids=lambda line: repr(line[:20]),
)  # fmt: skip
def test_it_reads_what_orjson_reads_and_refuses_the_rest(line):
    try:
        expected = orjson.loads(line)
    except ValueError:
        with pytest.raises(ValueError, match="."):
            plain_json.loads(line)
    else:
        assert plain_json.loads(line) == expected
