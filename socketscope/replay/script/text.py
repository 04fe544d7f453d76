r"""Texts with escapes and variables: ``GET k${seq}\\x00``. No I/O."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from socketscope.replay.script.context import Context, derive, secrets, split_at_secrets
from socketscope.replay.script.errors import TextError
from socketscope.replay.script.functions import ALONE, FORMS, OF_TEXTS, REVEALING, Function, made

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""Matches the whole name of a variable."""

BUILT_IN = frozenset({"seq", "user"}) | ALONE
"""Names that have a value in every pass."""

_ESCAPES = {"\\": b"\\", "r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0"}
_ESCAPED = {value.decode(): f"\\{letter}" for letter, value in _ESCAPES.items()}
_CALL = re.compile(r"\$\{([a-z0-9-]+):")
_PLAIN = re.compile(r"[^\\${}:]+")
"""Ordinary characters, taken together: one at a time, megabytes would take many seconds."""
_DEEPEST = 16
"""The deepest nesting of functions; each level uses some of the interpreter's stack when it is filled in."""

_SHOWN = 1000
"""Bytes of a text that are shown."""


@dataclass(frozen=True, slots=True)
class Variable:
    """``${NAME}``, or a function such as ``${len:X}``.

    Attributes:
        name: What is written between the braces.
        offset: The place in the text.
        function: Computes the value, as the name says; None for a variable of the pass.
        arguments: The function's arguments.
        is_revealing: Whether the value is a secret if an argument contains one.
    """

    name: str
    offset: int
    function: Function | None = field(default=None, compare=False)
    arguments: tuple["Template", ...] = ()
    is_revealing: bool = False

    @property
    def shown(self) -> str:
        """The variable as written in the script."""
        return f"${{{self.name}}}"

    @property
    def needed(self) -> tuple["Variable", ...]:
        """The variables that a pass must have: itself, or what the arguments of its function need."""
        if self.function is None:
            return (self,)
        return tuple(variable for template in self.arguments for variable in template.needed)

    def value(self, context: Context) -> str:
        """Return the value in a pass."""
        if self.function is None:
            return context[self.name]
        arguments = [template.fill(context) for template in self.arguments]
        value = self.function(context.random, *arguments)
        if self.is_revealing:
            derive(context, self.name, value, arguments)
        return value


@dataclass(frozen=True, slots=True)
class Template:
    """A text in parts: bytes, and variables.

    Attributes:
        parts: In order.
        source: The text as written in the script.
    """

    parts: tuple[bytes | Variable, ...]
    source: str

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The variables in it, functions included."""
        return tuple(part for part in self.parts if isinstance(part, Variable))

    @property
    def needed(self) -> tuple[Variable, ...]:
        """The variables that a pass must have."""
        return tuple(needed for variable in self.variables for needed in variable.needed)

    def fill(self, context: Context, transform: Callable[[bytes], bytes] = bytes) -> bytes:
        """Return the text with its variables filled in, each passed through `transform`."""
        if len(self.parts) == 1 and isinstance(self.parts[0], bytes):
            return self.parts[0]
        return b"".join(
            part if isinstance(part, bytes) else transform(encode(part.value(context))) for part in self.parts
        )


EMPTY = Template((b"",), "")
"""An empty text."""


def encode(text: str) -> bytes:
    """Return a text as UTF-8; bytes that `decode` could not read come back unchanged."""
    return text.encode("utf-8", "surrogateescape")


def decode(data: bytes) -> str:
    """Return the text that `encode` turns back into these bytes, whatever they are."""
    return data.decode("utf-8", "surrogateescape")


def literal(text: str) -> Template:
    """Return a template for a literal text."""
    data = encode(text)
    return Template((data,), escape(data))


def escape(data: bytes) -> str:
    """Return the text that `parse_text` turns back into these bytes; what is not printable is escaped."""
    text = decode(data)
    # Nearly all is plain text, and character by character costs a hundred times as much.
    if "\\" in text or not text.isprintable():
        text = "".join(map(_escape_character, text))
    return text.replace("${", "$${")


@lru_cache(4096)  # in binary data, the same characters come many times
def _escape_character(character: str) -> str:
    if (escaped := _ESCAPED.get(character)) is not None:
        return escaped
    return character if character.isprintable() else "".join(f"\\x{byte:02x}" for byte in encode(character))


def excerpt(data: bytes, context: Mapping[str, str]) -> str:
    """Return bytes as a script would write them, cut if there are many, with secrets as their variables."""
    left, text = _SHOWN, ""
    for plain, secret in split_at_secrets(data, secrets(context)):
        text += escape(plain[:left])
        if len(plain) > left:
            return f"{text}…"
        text += secret
        left -= len(plain)
    return text


def quoted(data: bytes, context: Mapping[str, str]) -> str:
    """Return the same in quotes, for a sentence."""
    return f"'{excerpt(data, context)}'"


def parse_text(text: str, *, escapes: bool = True) -> Template:
    """Return the template of a text.

    Args:
        text: The text as written in the script.
        escapes: Whether backslashes begin escapes; false for a regular expression, which has its own.

    Raises:
        TextError: An escape or a variable is wrong.
    """
    parts, _ = _Parser(text, escapes=escapes).parse(0)
    return Template(parts, text)


class _Parser:
    def __init__(self, text: str, *, escapes: bool = True, depth: int = 0) -> None:
        self._text = text
        self._escapes = escapes
        self.depth = depth  # how deep it is nested in functions

    def parse(self, position: int, ends: str = "") -> tuple[tuple[bytes | Variable, ...], int]:
        """Return the parts from a position on, and where they end.

        Args:
            position: Where they begin.
            ends: The characters that end them, outside of braces; if empty, the end of the text does.

        Raises:
            TextError: An escape or a variable is wrong; with an empty message, nothing ends them.
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
        # An argument is a text, with escapes, even in a regular expression.
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
