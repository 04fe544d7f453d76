"""The functions of a text: ``${len:X}``, ``${now}``, ``${sha256:X}``. No I/O but the clock."""

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
"""Those that are written like a variable."""

FORMS = (
    "${random:hex:DIGITS}, ${random:int:LOW:HIGH}, ${env:NAME}, ${now:FORMAT}, ${len:X}, ${base64:X}, "
    "${hex:X}, ${sha256:X}, ${hmac-sha256:KEY:X}"
)
"""All that have arguments."""

_INTEGER = re.compile(r"-?[0-9]{1,100}")
_LONGEST_HEX = 4096
_DIRECTIVE = re.compile(r"%(.?)", re.DOTALL)
_DIRECTIVES = frozenset("aAbBcdfGHIjmMpSsuUVwWxXyYzZ%")

OF_TEXTS: dict[str, tuple[int, Function]] = {
    "len": (1, lambda _, data: str(len(data))),
    "base64": (1, lambda _, data: base64.b64encode(data).decode()),
    "hex": (1, lambda _, data: data.hex()),
    "sha256": (1, lambda _, data: hashlib.sha256(data).hexdigest()),
    "hmac-sha256": (2, lambda _, key, data: hmac.digest(key, data, "sha256").hex()),
}
"""Those whose arguments are texts, by name: how many, and what they do."""

REVEALING = frozenset(OF_TEXTS) - {"len"}
"""Those from which a secret argument can be had, or which are as good as one."""


def made(name: str, arguments: list[str]) -> Function | None:
    """Return the function that a call without texts as arguments names; None where there is none such.

    Args:
        name: What stands before the first colon.
        arguments: What stands between and after the colons.
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
    # The C library takes %s for local time.
    seconds = str(int(now.timestamp()))
    return now.strftime(_DIRECTIVE.sub(lambda match: seconds if match[1] == "s" else match[0], form))


def _is_range(low: str, high: str) -> bool:
    return bool(_INTEGER.fullmatch(low) and _INTEGER.fullmatch(high)) and int(low) <= int(high)
