r"""Texts with escapes and variables: ``GET k${seq}\\x00``. No I/O."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

_ESCAPES = {"\\": b"\\", "r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST_HEX = 4096

Context = Mapping[str, str]
"""Variables of a pass, by name."""


class TextError(ValueError):
    """A text cannot be meant.

    Attributes:
        offset: Where in the text, from 0.
    """

    def __init__(self, problem: str, offset: int) -> None:
        super().__init__(problem)
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Variable:
    """``${NAME}``: what stands between the braces, and where the text has it."""

    name: str
    offset: int

    def value(self, context: Context, random: Random) -> str:
        """Return its value in a pass."""
        kind, *arguments = self.name.split(":")
        if kind == "random" and arguments[0] == "hex":
            return f"{random.getrandbits(4 * int(arguments[1])):0{arguments[1]}x}"
        if kind == "random":
            return str(random.randint(int(arguments[1]), int(arguments[2])))
        return context[self.name]


@dataclass(frozen=True, slots=True)
class Template:
    """A text in parts: bytes as they are, and variables."""

    parts: tuple[bytes | Variable, ...]

    @property
    def names(self) -> tuple[Variable, ...]:
        """The variables whose values a pass must have."""
        return tuple(p for p in self.parts if isinstance(p, Variable) and not p.name.startswith("random:"))

    def fill(self, context: Context, random: Random, transform: Callable[[str], str] = str) -> bytes:
        """Return the text with its variables filled in, each put through `transform`."""
        if len(self.parts) == 1 and isinstance(self.parts[0], bytes):
            return self.parts[0]
        return b"".join(
            part if isinstance(part, bytes) else encode(transform(part.value(context, random)))
            for part in self.parts
        )


def encode(text: str) -> bytes:
    """Return UTF-8, and bytes that were none as they were."""
    return text.encode("utf-8", "surrogateescape")


def decode(data: bytes) -> str:
    """Return text that `encode` makes these bytes of again, whatever they are."""
    return data.decode("utf-8", "surrogateescape")


def literal(text: str) -> Template:
    """Return a template that is the text as it stands."""
    return Template((encode(text),))


def parse_text(text: str, *, escapes: bool = True) -> Template:
    """Return the template of a text.

    Args:
        text: As it stands in the script.
        escapes: Whether backslashes begin escapes; a regular expression keeps its own.

    Raises:
        TextError: An escape or a variable is none.
    """
    parts: list[bytes | Variable] = []
    plain = bytearray()
    position = 0
    while position < len(text):
        if escapes and text[position] == "\\":
            data, position = _escape(text, position)
            plain += data
        elif text.startswith("$${", position):
            plain += b"${"
            position += 3
        elif text.startswith("${", position):
            variable, position = _variable(text, position)
            if plain:
                parts.append(bytes(plain))
                plain.clear()
            parts.append(variable)
        else:
            plain += encode(text[position])
            position += 1
    if plain or not parts:
        parts.append(bytes(plain))
    return Template(tuple(parts))


def _escape(text: str, position: int) -> tuple[bytes, int]:
    following = text[position + 1 : position + 2]
    if following in _ESCAPES:
        return _ESCAPES[following], position + 2
    if following == "x":
        digits = text[position + 2 : position + 4]
        if re.fullmatch(r"[0-9A-Fa-f]{2}", digits):
            return bytes.fromhex(digits), position + 4
        raise TextError(r"\x needs two hexadecimal digits", position)
    known = r"\\ \r \n \t \0 \xHH"
    raise TextError(f"\\{following} is no escape; there are {known}", position)


def _variable(text: str, position: int) -> tuple[Variable, int]:
    end = text.find("}", position)
    if end < 0:
        raise TextError("${ is never closed; a literal one is written $${", position)
    name = text[position + 2 : end]
    kind, *arguments = name.split(":")
    if arguments:
        _check_call(name, kind, arguments, position)
    elif not _NAME.fullmatch(name):
        raise TextError(f"{name!r} is no name of a variable", position)
    return Variable(name, position), end + 1


def _check_call(name: str, kind: str, arguments: list[str], position: int) -> None:
    match kind, arguments:
        case "env", [variable] if _NAME.fullmatch(variable):
            return
        case "random", ["hex", digits] if digits.isdecimal() and 0 < int(digits) <= _LONGEST_HEX:
            return
        case "random", ["int", low, high] if _is_range(low, high):
            return
    raise TextError(
        f"${{{name}}} is none of ${{random:hex:DIGITS}}, ${{random:int:LOW:HIGH}}, ${{env:NAME}}", position
    )


def _is_range(low: str, high: str) -> bool:
    try:
        return int(low) <= int(high)
    except ValueError:
        return False
