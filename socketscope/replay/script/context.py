"""The variables of a pass, and which of their values nobody is to read. No I/O.

They are a plain dictionary, since each pass makes one. The names of what the environment has begin with
``env:``, and their values are secret. What functions make of a secret is one, too, as who has its base64 has
it: those values are names themselves, behind a colon, and what stands there is the function.
"""

import re
from collections.abc import Iterable, Mapping

Context = dict[str, str]
"""Variables by name."""

_ENVIRONMENT = "env:"
_DERIVED = ":"

_SHORTEST_LINE = 3
"""Bytes from which on a line of a secret is one itself; shorter ones stand everywhere."""


def secrets(context: Mapping[str, str]) -> dict[bytes, str]:
    """Return what stands for each secret value in a script; of one of several lines, for each of them too."""
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
    """Yield what stands between secrets, each with what stands in a script for the secret behind it."""
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
