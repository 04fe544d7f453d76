"""Reply lines as a recording has them: exact, and patterns where two recordings differ. No I/O."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from socketscope.replay.script.constructs import Expect
from socketscope.replay.script.text import decode, escape

TIMES = (
    r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}",  # as C's ctime and asctime write it
    r"\w{3}, [ \d]?\d \w{3} \d{4} \d\d:\d\d:\d\d",  # RFC 5322, section 3.3
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?",  # RFC 3339
)
"""What surely is another at the next replay; it stands in the script as the expression that it is here."""

_TOKEN = re.compile("|".join([*(f"({time})" for time in TIMES), r"\d+", r"[^\W\d]\w*", "."]), re.DOTALL)
_MEANINGFUL = re.compile(r"[\\.^$*+?{}\[\]|()]")
_LONGEST = 8192
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
    """What a server said in one place of a conversation, each time that it was held.

    Attributes:
        said: The line; where it was not always the same, the first.
        pattern: What all of them match, where they differ.
    """

    said: bytes
    pattern: tuple[Token, ...] = ()

    @property
    def tokens(self) -> tuple[Token, ...]:
        """Its pieces; taken anew each time, since a long conversation has too many to keep."""
        return self.pattern or _parted(decode(self.said))

    def construct(self) -> Expect:
        """Return what a script expects."""
        tokens = self.tokens
        if any(token.is_expression for token in tokens):
            return Expect("match", f"^{_joined(tokens)}$")
        return Expect("line", visible(self.said))

    def merged(self, other: Self) -> Self:
        """Return a line that is either: equal where they are, and as wide as it must be where they differ.

        Args:
            other: One that was seen once.
        """
        if self.said == other.said:
            return self
        one, two = self.tokens, other.tokens
        if re.fullmatch(_joined(one), decode(other.said)):
            return self
        if len(one) == len(two):
            both = [_either(*pair) for pair in zip(one, two, strict=True)]
            if None not in both:
                return type(self)(self.said, tuple(token for token in both if token is not None))
        ahead = _common(one, two)
        behind = _common(one[ahead:][::-1], two[ahead:][::-1])
        anything = Token(_ANYTHING, is_expression=True)
        return type(self)(self.said, (*one[:ahead], anything, *one[len(one) - behind :]))


def _parted(text: str) -> tuple[Token, ...]:
    if len(text) > _LONGEST:
        return (Token(text),)
    return tuple(
        Token(TIMES[match.lastindex - 1], is_expression=True) if match.lastindex else Token(match[0])
        for match in _TOKEN.finditer(text)
    )


def visible(data: bytes) -> str:
    """Return a script's text for bytes; a space at its end is an escape, since editors take those away."""
    text = escape(data)
    return f"{text[:-1]}\\x20" if text.endswith(" ") else text


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
