"""Reply lines as a recording has them: exact, and patterns where two recordings differ. No I/O."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from client.script import Expect
from client.text import decode, encode, escape

TIMES = (
    r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}",  # as C's ctime and asctime write it
    r"\w{3}, [ \d]?\d \w{3} \d{4} \d\d:\d\d:\d\d",  # RFC 5322, section 3.3
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?",  # RFC 3339
)
"""What surely is another at the next replay; it stands in the script as the expression that it is here."""

_TOKEN = re.compile("|".join([*(f"({time})" for time in TIMES), r"\d+", r"[^\W\d]\w*", "."]), re.DOTALL)
_MEANINGFUL = re.compile(r"[\\.^$*+?{}\[\]|()]")
_NUMBER = r"\d+"
_WORD = r"\w+"
_ANYTHING = ".*"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a line: text, or an expression that matches it."""

    text: str
    is_expression: bool = False

    @property
    def expression(self) -> str:
        """As a part of a regular expression."""
        return self.text if self.is_expression else "".join(map(_escape_character, self.text))


@dataclass(frozen=True, slots=True)
class ReplyLine:
    """What a server said in one place of a conversation, each time that it was held."""

    tokens: tuple[Token, ...]

    @classmethod
    def of(cls, line: bytes) -> Self:
        """Return a line that was seen once: exact, but for the time of day."""
        found = _TOKEN.finditer(decode(line))
        return cls(
            tuple(
                Token(TIMES[match.lastindex - 1], is_expression=True) if match.lastindex else Token(match[0])
                for match in found
            )
        )

    @property
    def is_exact(self) -> bool:
        """Whether nothing in it varies."""
        return not any(token.is_expression for token in self.tokens)

    def construct(self) -> Expect:
        """Return what a script expects."""
        if self.is_exact:
            return Expect("line", visible(encode("".join(token.text for token in self.tokens))))
        return Expect("match", f"^{_joined(self.tokens)}$")

    def merged(self, other: Self) -> Self:
        """Return a line that is either: equal where they are, and as wide as it must be where they differ."""
        if self == other or (other.is_exact and re.fullmatch(_joined(self.tokens), _text(other.tokens))):
            return self
        if len(self.tokens) == len(other.tokens):
            both = [_either(one, two) for one, two in zip(self.tokens, other.tokens, strict=True)]
            if None not in both:
                return type(self)(tuple(token for token in both if token is not None))
        ahead = _common(self.tokens, other.tokens)
        behind = _common(self.tokens[ahead:][::-1], other.tokens[ahead:][::-1])
        end = len(self.tokens) - behind
        return type(self)((*self.tokens[:ahead], Token(_ANYTHING, is_expression=True), *self.tokens[end:]))


def visible(data: bytes) -> str:
    """Return a script's text for bytes; a space at its end is an escape, since editors take those away."""
    text = escape(data)
    return f"{text[:-1]}\\x20" if text.endswith(" ") else text


def _text(tokens: Iterable[Token]) -> str:
    return "".join(token.text for token in tokens)


def _joined(tokens: Iterable[Token]) -> str:
    return "".join(token.expression for token in tokens)


def _either(one: Token, two: Token) -> Token | None:
    if one == two:
        return one
    for expression in (_NUMBER, _WORD):
        if all(token.text == expression or re.fullmatch(expression, token.text) for token in (one, two)):
            return Token(expression, is_expression=True)
    return None


def _common(one: tuple[Token, ...], two: tuple[Token, ...]) -> int:
    """Return how many tokens two begin with alike."""
    pairs = zip(one, two, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(two)))


def _escape_character(character: str) -> str:
    if _MEANINGFUL.match(character):
        return f"\\{character}"
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - what has two, four, eight digits
