"""JSON as orjson makes it, by the standard library: orjson turns a free-threaded interpreter's lock on."""

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time
from enum import Enum
from math import isfinite
from typing import Any, NoReturn
from uuid import UUID


def has(number: int) -> bool:
    """Return whether it can have an integer. A `range` would be searched for one of a subclass."""
    return -(1 << 63) <= number < 1 << 64


def loads(text: bytes) -> Any:
    """Return what a text of JSON says, as `orjson.loads` does.

    Raises:
        ValueError: The text is not JSON, or nested too deeply.
    """
    try:
        return json.loads(text.decode(), parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError(str(error)) from error


def dumps(value: Any, default: Callable[[Any], Any]) -> bytes:
    """Return a value's JSON, as `orjson.dumps` with `OPT_UTC_Z` does.

    Args:
        value: Any.
        default: Replaces a value of a type that JSON lacks.

    Raises:
        TypeError: A key is not a string, a string not Unicode, a number too large, or it contains itself.
    """
    try:
        plain = _plain(value, default)
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()
    except (UnicodeEncodeError, RecursionError) as error:
        raise TypeError(str(error)) from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not of JSON")


def _plain(value: Any, default: Callable[[Any], Any]) -> Any:
    match value:
        case Enum():
            value = value.value
        case str() | None | bool() | int() | float():
            return _scalar(value)
        case dict():
            if not all(isinstance(key, str) for key in value):
                raise TypeError("a key is no text")
            return {key: _plain(each, default) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each, default) for each in value]
        case _:
            value = _known(value, default)
    return _plain(value, default)


def _scalar(value: Any) -> Any:
    if isinstance(value, int) and not has(value):
        raise TypeError("an integer has more than 64 bits")
    return None if isinstance(value, float) and not isfinite(value) else value


def _known(value: Any, default: Callable[[Any], Any]) -> Any:
    """Return what orjson makes of a value of a known type, or what `default` makes of another."""
    match value:
        case datetime():
            text = value.isoformat()
            return f"{text.removesuffix('+00:00')}Z" if text.endswith("+00:00") else text
        case date() | time():
            return value.isoformat()
        case UUID():
            return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value) if not field.name.startswith("_")]
        return {name: getattr(value, name) for name in names}
    return default(value)
