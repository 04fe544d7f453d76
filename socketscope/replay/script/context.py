"""The variables of a pass, and which of their values are secret. No I/O.

A name that begins with ``env:`` is an environment variable, and its value is a secret. The result of a
function of a secret, such as its base64, is a secret too. It has an entry the other way round: the name is a
colon and the result, the value is the call of the function.
"""

import re
from collections.abc import Iterable, Mapping
from random import Random


class Context(dict[str, str]):
    """Variables by name, and the source of randomness; refilled for each pass of a user."""

    __slots__ = ("random",)

    def __init__(self, random: Random, variables: Mapping[str, str] | None = None) -> None:
        super().__init__(variables or {})
        self.random = random


_ENVIRONMENT = "env:"
_DERIVED = ":"

_SHORTEST_LINE = 3
"""Bytes of the shortest line of a secret that counts as a secret itself; shorter ones occur everywhere."""


def secrets(context: Mapping[str, str]) -> dict[bytes, str]:
    """Return each secret, and each line of a secret of several lines, with what a script writes for it."""
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
    """Note the result of a function as a secret if one of its arguments contains a secret.

    Args:
        context: Variables of the pass.
        function: The call, as written between the braces.
        value: The result.
        arguments: The arguments.
    """
    known = secrets(context)
    if value.encode() not in known and any(secret in argument for argument in arguments for secret in known):
        context[f"{_DERIVED}{value}"] = function


def split_at_secrets(data: bytes, known: Mapping[bytes, str]) -> Iterable[tuple[bytes, str]]:
    """Yield the pieces between secrets, each with what a script writes for the secret that follows it."""
    if not known:
        yield data, ""
        return
    # The longest first, as one may contain another.
    found = re.compile(b"|".join(re.escape(secret) for secret in sorted(known, key=len, reverse=True)))
    position = 0
    for match in found.finditer(data):
        yield data[position : match.start()], known[match[0]]
        position = match.end()
    yield data[position:], ""
