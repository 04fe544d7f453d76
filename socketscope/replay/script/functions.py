"""The functions in texts: ``${len:X}``, ``${now}``, ``${sha256:X}``. No I/O except the clock."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

Function = Callable[..., str]
"""Takes the source of randomness and the bytes of each argument."""

ALONE = frozenset({"now", "uuid"})
"""Functions without arguments, which are written like variables."""

_LONGEST_HEX = 4096

FORMS = (
    f"${{random:hex:DIGITS}} with 1 to {_LONGEST_HEX} digits, ${{random:int:LOW:HIGH}} with the lower first, "
    "${env:NAME}, ${now:FORMAT}, ${len:X}, ${base64:X}, ${hex:X}, ${sha256:X}, ${hmac-sha256:KEY:X}"
)
"""All functions that have arguments."""

_INTEGER = re.compile(r"-?[0-9]{1,100}")
_DIRECTIVE = re.compile(r"%(.?)", re.DOTALL)
_DIRECTIVES = frozenset("aAbBcdfGHIjmMpSsuUVwWxXyYzZ%")

OF_TEXTS: dict[str, tuple[int, Function]] = {
    "len": (1, lambda _, data: str(len(data))),
    "base64": (1, lambda _, data: base64.b64encode(data).decode()),
    "hex": (1, lambda _, data: data.hex()),
    "sha256": (1, lambda _, data: hashlib.sha256(data).hexdigest()),
    "hmac-sha256": (2, lambda _, key, data: hmac.digest(key, data, "sha256").hex()),
}
"""Functions of texts, by name: the number of arguments, and the function."""

REVEALING = frozenset(OF_TEXTS) - {"len"}
"""Functions whose result reveals a secret argument, or serves as well as it."""


def made(name: str, arguments: list[str]) -> Function | None:
    """Return the function that a call names whose arguments are no texts; None if there is none.

    Args:
        name: The part before the first colon.
        arguments: The parts after it, split at colons.
    """
    match name, arguments:
        case "uuid", []:
            return lambda random: str(UUID(int=random.getrandbits(128), version=4))
        case "now", []:
            return lambda _: datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case "now", _ if _is_format(form := ":".join(arguments)):
            return lambda _: _formatted(datetime.now(UTC), form)
        case "random", ["hex", digits] if _INTEGER.fullmatch(digits) and 0 < int(digits) <= _LONGEST_HEX:
            number = int(digits)
            return lambda random: f"{random.getrandbits(4 * number):0{number}x}"
        case "random", ["int", low, high] if _is_range(low, high):
            lowest, highest = int(low), int(high)
            return lambda random: str(random.randint(lowest, highest))
    return None


def _is_format(form: str) -> bool:
    return bool(form) and all(match[1] and match[1] in _DIRECTIVES for match in _DIRECTIVE.finditer(form))


def _formatted(now: datetime, form: str) -> str:
    # In the C library, %s assumes local time.
    seconds = str(int(now.timestamp()))
    return now.strftime(_DIRECTIVE.sub(lambda match: seconds if match[1] == "s" else match[0], form))


def _is_range(low: str, high: str) -> bool:
    return bool(_INTEGER.fullmatch(low) and _INTEGER.fullmatch(high)) and int(low) <= int(high)
