"""The variables of a pass, and which of their values are secret. No I/O.

A name that begins with ``env:`` is a variable of the environment, and its value is a secret. What a function
makes of a secret, such as its base64, is one too, and has an entry the other way round: the name is that
result behind a colon, the value is the function's call.
"""

import re
from collections.abc import Iterable, Mapping
from random import Random


class Context(dict[str, str]):
    """Variables by name, and the source of what is random in a text; a user's is filled anew in each pass."""

    __slots__ = ("random",)

    def __init__(self, random: Random, variables: Mapping[str, str] | None = None) -> None:
        super().__init__(variables or {})
        self.random = random


_ENVIRONMENT = "env:"
_DERIVED = ":"

_SHORTEST_LINE = 3
"""Bytes that a line of a secret must have to be one itself; shorter ones would be found everywhere."""


def secrets(context: Mapping[str, str]) -> dict[bytes, str]:
    """Return each secret, and each line of one of several lines, with what a script has in its place."""
    found: dict[bytes, str] = {}
    for name, value in context.items():
        if name.startswith(_DERIVED):
            found[name.removeprefix(_DERIVED).encode()] = f"${{{value}}}"
        elif name.startswith(_ENVIRONMENT) and value:
            whole = value.encode("utf-8", "surrogateescape")
            lines = [line for line in whole.splitlines() if len(line) >= _SHORTEST_LINE]
            found |= dict.fromkeys([whole, *lines], f"${{{name}}}")
    return found


def derive(context: Context, function: str, value: str, arguments: Iterable[bytes]) -> None:
    """Take note of what a function made, in case an argument of it holds a secret.

    Args:
        context: Variables of the pass.
        function: What stands between the braces.
        value: What it made.
        arguments: What it made that of.
    """
    known = secrets(context)
    if value.encode() not in known and any(secret in argument for argument in arguments for secret in known):
        context[f"{_DERIVED}{value}"] = function


def split_at_secrets(data: bytes, known: Mapping[bytes, str]) -> Iterable[tuple[bytes, str]]:
    """Yield what is between secrets, each piece with what a script has in place of the secret behind it."""
    if not known:
        yield data, ""
        return
    # The longest first, as one may hold another.
    found = re.compile(b"|".join(re.escape(secret) for secret in sorted(known, key=len, reverse=True)))
    position = 0
    for match in found.finditer(data):
        yield data[position : match.start()], known[match[0]]
        position = match.end()
    yield data[position:], ""
