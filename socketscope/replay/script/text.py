r"""Texts with escapes and variables: ``GET k${seq}\\x00``. No I/O."""

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What a variable's name matches as a whole."""

_ESCAPES = {"\\": b"\\", "r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0"}
_ESCAPED = {value.decode(): f"\\{letter}" for letter, value in _ESCAPES.items()}
_BRACED = re.compile(r"\$\$\{|(\$\{[^}]*\})")
_INTEGER = re.compile(r"-?[0-9]+")
_LONGEST_HEX = 4096

Context = Mapping[str, str]
"""Variables of a pass, by name."""


class TextError(ValueError):
    """A text cannot be meant.

    Attributes:
        offset: Where in the text, from 0.
    """

    def __init__(self, problem: str, offset: int = 0) -> None:
        super().__init__(problem)
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Variable:
    """``${NAME}``: what stands between the braces, and where the text has it."""

    name: str
    offset: int

    @property
    def shown(self) -> str:
        """As it stands in the script."""
        return f"${{{self.name}}}"

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
    def variables(self) -> tuple[Variable, ...]:
        """Its variables, those made up on the spot included."""
        return tuple(part for part in self.parts if isinstance(part, Variable))

    @property
    def names(self) -> tuple[Variable, ...]:
        """The variables whose values a pass must have."""
        return tuple(variable for variable in self.variables if not variable.name.startswith("random:"))

    def shown(self, *, escapes: bool = True) -> str:
        """Return the text as a script would have it."""
        plain = escape if escapes else decode
        return "".join(part.shown if isinstance(part, Variable) else plain(part) for part in self.parts)

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


def escape(data: bytes) -> str:
    """Return the text that `parse_text` makes these bytes of again; what cannot be seen is an escape."""
    return "".join(
        _ESCAPED.get(character)
        or (character if character.isprintable() else "".join(f"\\x{byte:02x}" for byte in encode(character)))
        for character in decode(data)
    ).replace("${", "$${")


def regex_groups(text: str) -> tuple[str, ...]:
    """Return the names of the groups of a regular expression that has variables, whose values stand escaped.

    Raises:
        TextError: It is none.
    """
    for variable in parse_text(text, escapes=False).variables:
        before = text[: variable.offset]
        if (len(before) - len(before.rstrip("\\"))) % 2:
            raise TextError(
                "a backslash escapes no variable; a literal ${ is written \\$\\{", variable.offset - 1
            )
    # A value is like the quotes that stand for it: nothing that has a meaning of its own.
    probe = _BRACED.sub(lambda match: match[0] if match[1] is None else "'" * len(match[0]), text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return tuple(re.compile(probe).groupindex)
    except re.error as error:
        raise TextError(f"no regular expression: {error.msg}", error.pos or 0) from error
    except FutureWarning as warning:
        # What Python may read in another way one day, a script should not mean.
        problem, _, place = str(warning).partition(" at position ")
        raise TextError(f"no clear regular expression: {problem.lower()}", int(place or 0)) from warning
    except (OverflowError, RecursionError) as error:
        raise TextError(f"no regular expression: {error}") from error


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
    elif not NAME.fullmatch(name):
        raise TextError(f"{name!r} is no name of a variable", position)
    return Variable(name, position), end + 1


def _check_call(name: str, kind: str, arguments: list[str], position: int) -> None:
    match kind, arguments:
        case "env", [variable] if NAME.fullmatch(variable):
            return
        case "random", ["hex", digits] if _INTEGER.fullmatch(digits) and 0 < int(digits) <= _LONGEST_HEX:
            return
        case "random", ["int", low, high] if _is_range(low, high):
            return
    raise TextError(
        f"${{{name}}} is none of ${{random:hex:DIGITS}}, ${{random:int:LOW:HIGH}}, ${{env:NAME}}", position
    )


def _is_range(low: str, high: str) -> bool:
    return bool(_INTEGER.fullmatch(low) and _INTEGER.fullmatch(high)) and int(low) <= int(high)
