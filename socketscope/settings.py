"""What can be set from outside, by an option or an environment variable."""

import dataclasses
import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from socketscope.addresses import parse_host_port
from socketscope.limits import Limits
from socketscope.units import format_duration, parse_duration

NONE = "none"
"""How None is written."""

DESCRIPTOR_RESERVE = 32
"""Descriptors kept for other things than connections: listeners, the log, the endpoint and its clients."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be set.

    Attributes:
        name: Its name in Python.
        form: How a value is written: a placeholder in capitals, or the words themselves.
        parse: Returns the value of a text, or raises ValueError.
        default: The text that holds if nothing is set.
    """

    name: str
    form: str
    parse: Callable[[str], Any]
    default: str
    help: str

    @property
    def flag(self) -> str:
        """The option."""
        return f"--{self.name.replace('_', '-')}"

    def variable(self, prefix: str) -> str:
        """Return its environment variable, for a program whose variables have this prefix."""
        return f"{prefix}_{self.name.upper()}"


def limit_settings(*, program: bool) -> list[Setting]:
    """Return a setting for each field of `Limits`, with the library's defaults or those of its programs."""
    settings = []
    for field in dataclasses.fields(Limits):
        form, parse = _kind(field.type)
        default = _text(field.metadata["program"] if program else field.default)
        settings.append(Setting(field.name, form, parse, default, field.metadata["help"]))
    return settings


def choice(values: Sequence[str]) -> Callable[[str], str]:
    """Return a function that parses one of some words."""

    def parse(text: str) -> str:
        if text not in values:
            raise ValueError(f"{text!r} is not one of {', '.join(values)}")
        return text

    return parse


def parse_count(text: str) -> int:
    """Return a whole number above 0.

    Raises:
        ValueError: The text is not one.
    """
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ValueError(f"{text!r} is not a whole number above 0")
    return int(text)


def parse_metrics(text: str) -> str | None:
    """Return the endpoint's ``HOST:PORT``, or None.

    Raises:
        ValueError: The text is neither.
    """
    return None if _or_none(parse_host_port)(text) is None else text


def in_flags(text: str) -> str:
    """Return a text about `Limits` with options in place of their fields."""
    for setting in limit_settings(program=True):
        text = text.replace(setting.name, setting.flag)
    return text.replace("None", NONE)


def within_descriptors(wanted: int, *, asked: bool) -> tuple[int, str | None]:
    """Fit a connection limit to RLIMIT_NOFILE: lower a default, refuse what was asked for.

    Returns:
        How many connections there may be, and a warning if that is not what was wanted.

    Raises:
        ValueError: More were asked for than are possible.
        RuntimeError: Not even one is possible.
    """
    have = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    room = have - DESCRIPTOR_RESERVE
    if wanted <= room:
        return wanted, None
    if room < 1:
        raise RuntimeError(
            f"this process may have {have} file descriptors and needs more than {DESCRIPTOR_RESERVE}: "
            "raise the limit (ulimit -n)"
        )
    if asked:
        raise ValueError(
            f"--max-connections {wanted} needs {wanted + DESCRIPTOR_RESERVE} file descriptors, and this "
            f"process may have {have}: lower it, or raise the limit (ulimit -n)"
        )
    return room, f"--max-connections is {room}, not {wanted}: file descriptors are limited (ulimit -n)"


def _kind(annotation: Any) -> tuple[str, Callable[[str], Any]]:
    if annotation is int:
        return "NUMBER", parse_count
    if get_origin(annotation) is Literal:
        return "|".join(get_args(annotation)), choice(get_args(annotation))
    if type(None) in get_args(annotation):
        return f"DURATION|{NONE}", _or_none(parse_duration)
    return "DURATION", parse_duration


def _or_none(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a function that parses the same, or `NONE`."""

    def parse_or_none(text: str) -> Any:
        try:
            return None if text == NONE else parse(text)
        except ValueError as error:
            raise ValueError(f"{error}; or {NONE}") from error

    return parse_or_none


def _text(value: Any) -> str:
    if value is None:
        return NONE
    return format_duration(value) if isinstance(value, float) else str(value)
