r"""Texts with escapes and variables: ``GET k${seq}\\x00``. No I/O."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from socketscope.replay.script.context import Context, derive, secrets, split_at_secrets
from socketscope.replay.script.errors import TextError
from socketscope.replay.script.functions import ALONE, FORMS, OF_TEXTS, REVEALING, Function, made

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What a variable's name matches as a whole."""

BUILT_IN = frozenset({"seq", "user"}) | ALONE
"""Names that have their value already."""

_ESCAPES = {"\\": b"\\", "r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0"}
_ESCAPED = {value.decode(): f"\\{letter}" for letter, value in _ESCAPES.items()}
_CALL = re.compile(r"\$\{([a-z0-9-]+):")
_PLAIN = re.compile(r"[^\\${}:]+")
"""Characters without a meaning, taken together: one at a time, megabytes would take many seconds."""
_DEEPEST = 16
"""Functions of functions; each level takes some of the interpreter's stack when the text is filled in."""

_SHOWN = 1000
"""Bytes of a text that are shown."""


@dataclass(frozen=True, slots=True)
class Variable:
    """``${NAME}``, or a function as ``${len:X}``.

    Attributes:
        name: What stands between the braces.
        offset: Where the text has it.
        function: What makes its value; None where the pass has it.
        arguments: Of the function.
        is_revealing: Whether its value is a secret where an argument holds one.
    """

    name: str
    offset: int
    function: Function | None = None
    arguments: tuple["Template", ...] = ()
    is_revealing: bool = False

    @property
    def shown(self) -> str:
        """As it stands in the script."""
        return f"${{{self.name}}}"

    @property
    def needed(self) -> tuple["Variable", ...]:
        """The variables whose values a pass must have: itself, or what the arguments of its function need."""
        if self.function is None:
            return (self,)
        return tuple(variable for template in self.arguments for variable in template.needed)

    def value(self, context: Context) -> str:
        """Return its value in a pass."""
        if self.function is None:
            return context[self.name]
        arguments = [template.fill(context) for template in self.arguments]
        value = self.function(context.random, *arguments)
        if self.is_revealing:
            derive(context, self.name, value, arguments)
        return value


@dataclass(frozen=True, slots=True)
class Template:
    """A text in parts: bytes as they are, and variables.

    Attributes:
        parts: In order.
        source: As it stands in the script.
    """

    parts: tuple[bytes | Variable, ...]
    source: str

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The variables that stand in it, functions included."""
        return tuple(part for part in self.parts if isinstance(part, Variable))

    @property
    def needed(self) -> tuple[Variable, ...]:
        """The variables whose values a pass must have."""
        return tuple(needed for variable in self.variables for needed in variable.needed)

    def fill(self, context: Context, transform: Callable[[bytes], bytes] = bytes) -> bytes:
        """Return the text with its variables filled in, each put through `transform`."""
        if len(self.parts) == 1 and isinstance(self.parts[0], bytes):
            return self.parts[0]
        return b"".join(
            part if isinstance(part, bytes) else transform(encode(part.value(context))) for part in self.parts
        )


def encode(text: str) -> bytes:
    """Return a text as UTF-8, with bytes that `decode` could not read as they were."""
    return text.encode("utf-8", "surrogateescape")


def decode(data: bytes) -> str:
    """Return text that `encode` makes these bytes of again, whatever they are."""
    return data.decode("utf-8", "surrogateescape")


def literal(text: str) -> Template:
    """Return a template that is the text as it stands."""
    data = encode(text)
    return Template((data,), escape(data))


def escape(data: bytes) -> str:
    """Return the text that `parse_text` makes these bytes of again; what cannot be seen is an escape."""
    text = decode(data)
    # Nearly all is text, and a character at a time costs a hundred times as much.
    if "\\" in text or not text.isprintable():
        text = "".join(map(_escape_character, text))
    return text.replace("${", "$${")


@lru_cache(4096)  # of binary, where each comes many times
def _escape_character(character: str) -> str:
    if (escaped := _ESCAPED.get(character)) is not None:
        return escaped
    return character if character.isprintable() else "".join(f"\\x{byte:02x}" for byte in encode(character))


def excerpt(data: bytes, context: Mapping[str, str]) -> str:
    """Return bytes as a script would write them, of many the first ones; what is secret as its variable."""
    left, text = _SHOWN, ""
    for plain, secret in split_at_secrets(data, secrets(context)):
        text += escape(plain[:left])
        if len(plain) > left:
            return f"{text}…"
        text += secret
        left -= len(plain)
    return text


def quoted(data: bytes, context: Mapping[str, str]) -> str:
    """Return the same in quotes, to stand among words."""
    return f"'{excerpt(data, context)}'"


def parse_text(text: str, *, escapes: bool = True) -> Template:
    """Return the template of a text.

    Args:
        text: As it stands in the script.
        escapes: Whether backslashes begin escapes; a regular expression keeps its own.

    Raises:
        TextError: An escape or a variable is wrong.
    """
    parts, _ = _Parser(text, escapes=escapes).parse(0)
    return Template(parts, text)


class _Parser:
    def __init__(self, text: str, *, escapes: bool = True, depth: int = 0) -> None:
        self._text = text
        self._escapes = escapes
        self.depth = depth  # of the functions that it stands in

    def parse(self, position: int, ends: str = "") -> tuple[tuple[bytes | Variable, ...], int]:
        """Return the parts from a position on, and where they end.

        Args:
            position: Where they begin.
            ends: The characters that end them, where they stand outside of braces; else the text does.

        Raises:
            TextError: An escape or a variable is wrong; or nothing ends them, for which the problem is empty.
        """
        text = self._text
        parts: list[bytes | Variable] = []
        plain = bytearray()
        depth = 0
        while position < len(text):
            character = text[position]
            if ends and not depth and character in ends:
                break
            if run := _PLAIN.match(text, position):
                plain += encode(run[0])
                position = run.end()
            elif self._escapes and character == "\\":
                data, position = _escape(text, position)
                plain += data
            elif text.startswith("$${", position):
                plain += b"${"
                position += 3
                depth += 1
            elif text.startswith("${", position):
                variable, position = self._variable(position)
                if plain:
                    parts.append(bytes(plain))
                    plain.clear()
                parts.append(variable)
            else:
                depth += (character == "{") - (character == "}")
                plain += encode(character)
                position += 1
        else:
            if ends:
                raise TextError("")
        if plain or not parts:
            parts.append(bytes(plain))
        return tuple(parts), position

    def _variable(self, begin: int) -> tuple[Variable, int]:
        text = self._text
        if (call := _CALL.match(text, begin)) and call[1] in OF_TEXTS:
            return self._call(begin, call[1])
        end = text.find("}", begin)
        if end < 0:
            raise _not_closed(begin)
        name = text[begin + 2 : end]
        kind, *arguments = name.split(":")
        if (function := made(kind, arguments)) is not None:
            return Variable(name, begin, function), end + 1
        if not (NAME.fullmatch(name) or (kind == "env" and NAME.fullmatch(name.removeprefix("env:")))):
            if arguments:
                raise TextError(f"${{{name}}} is not one of {FORMS}", begin)
            raise TextError(f"{name!r} is not a variable name", begin)
        return Variable(name, begin), end + 1

    def _call(self, begin: int, name: str) -> tuple[Variable, int]:
        number, function = OF_TEXTS[name]
        # What is handed to a function is a text wherever it stands.
        inner = _Parser(self._text, depth=self.depth + 1)
        if inner.depth > _DEEPEST:
            raise TextError(f"functions stand more than {_DEEPEST} deep in each other", begin)
        position = begin + len(f"${{{name}:")
        templates = []
        for left in range(number, 0, -1):
            try:
                parts, end = inner.parse(position, "}" if left == 1 else ":}")
            except TextError as error:
                raise error if str(error) else _not_closed(begin) from None
            if left > 1 and self._text[end] == "}":
                raise TextError(f"{self._text[begin : end + 1]} is not one of {FORMS}", begin)
            templates.append(Template(parts, self._text[position:end]))
            position = end + 1
        source = self._text[begin + 2 : position - 1]
        return Variable(source, begin, function, tuple(templates), name in REVEALING), position


def _not_closed(position: int) -> TextError:
    return TextError("${ is never closed; a literal one is written $${", position)


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
    raise TextError(f"\\{following} is not an escape; there are {known}", position)
