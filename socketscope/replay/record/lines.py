"""Reply lines as a recording has them: exact, and patterns where two recordings differ. No I/O."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, Self

from socketscope.replay.record import times
from socketscope.replay.script.constructs import Expect
from socketscope.replay.script.parser import COUNT
from socketscope.replay.script.text import decode, encode, escape

_PIECE = re.compile(rf"(?P<time>{times.FINDER.pattern})|\d+|[^\W\d]\w*|.", re.DOTALL | re.ASCII)
_MEANINGFUL = re.compile(r"[\\.^$*+?{}\[\]|()]")
_STATUS = re.compile(rb"[1-5]\d\d(?=[ -]|$)")
_LONGEST = 1 << 16
"""Characters of a line that are taken apart; what is behind them is one piece, and anything in an expression
where it is as long again: one of a megabyte takes seconds to be read."""

_NUMBER = r"\d+"
_WORD = r"\w+"
_ANYTHING = ".*"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a line: text, an expression that matches it, or a variable, whose name the text is."""

    text: str
    kind: Literal["text", "expression", "variable"] = "text"

    @property
    def expression(self) -> str:
        """As a part of a regular expression."""
        match self.kind:
            case "text":
                long = len(self.text) > _LONGEST
                return _ANYTHING if long else "".join(map(_escape_character, self.text))
            case "expression":
                return self.text
            case "variable":
                return f"${{{self.text}}}"

    @property
    def is_group(self) -> bool:
        """Whether a variable takes its value from it."""
        return self.kind == "expression" and self.text.startswith("(?P<")

    @property
    def is_fixed(self) -> bool:
        """Whether it is about a variable, which a pattern must not lose."""
        return self.kind == "variable" or self.is_group

    def unnamed(self) -> Self:
        """Return what matches the same and gives no variable its value."""
        return replace(self, text=self.text.partition(">")[2][:-1]) if self.is_group else self


ANYTHING = Token(_ANYTHING, "expression")


@dataclass(frozen=True, slots=True)
class ReplyLine:
    """What a server said in one place of a conversation, each time that it was held.

    Attributes:
        said: The line; where it was not always the same, the first.
        after: How much the client had said when it came; of several times, the least.
        ended: Whether a line's end, or the connection's, came behind it; a prompt has none.
        pattern: What all of them match, where they differ.
    """

    said: bytes
    after: int = 0
    ended: bool = True
    pattern: tuple[Token, ...] = ()

    @property
    def tokens(self) -> tuple[Token, ...]:
        """Its pieces; taken anew each time, since a long conversation has too many to keep."""
        return self.pattern or tokens_of(decode(self.said))

    def construct(self) -> Expect:
        """Return what a script expects."""
        # Taken apart for its patterns alone: a megabyte of binary has a million pieces, which take seconds.
        text = decode(self.said)
        tokens = self.tokens if self.pattern or times.FINDER.search(text) else (Token(text),)
        text = visible((encode(token.text) if token.kind == "text" else token.text) for token in tokens)
        # What would be read as a number of bytes is an expression too.
        if any(token.kind == "expression" for token in tokens) or (self.ended and COUNT.fullmatch(text)):
            pattern = "".join(token.expression for token in _guarded(tokens))
            # Digits and a word behind them are one: of hexadecimal numbers, another begins with a letter.
            pattern = pattern.replace(_NUMBER + _WORD, _WORD)
            # What is taken from the reply is whole: it begins where it can.
            pattern = pattern.replace(f"{_ANYTHING}(?P<", f"{_ANYTHING}?(?P<")
            return Expect("match", f"^{pattern}$") if self.ended else Expect("bytes match", f"^{pattern}")
        return Expect("line" if self.ended else "bytes", text)

    def merged(self, other: Self) -> Self | None:
        """Return a line that both fit: exact where they are equal, a pattern where they differ.

        None where they are not two of a kind, such as a success and a failure.

        Args:
            other: One that was seen once.
        """
        after = min(self.after, other.after)
        if self.ended != other.ended:
            return None
        if self.said == other.said and self.pattern == other.pattern:
            return replace(self, after=after)
        one, two = self.tokens, other.tokens
        if not _are_of_a_kind(self, other, one, two):
            return None
        pattern = _aligned(one, two)
        return None if pattern is None else replace(self, after=after, pattern=pattern)

    def unnamed(self) -> Self:
        """Return the line as it is where nobody gives back what it hands out."""
        return replace(self, pattern=tuple(token.unnamed() for token in self.pattern))

    def with_groups_of(self, other: Self) -> Self:
        """Return this line with the groups of `other`, one of those that it was merged from."""
        own = other.pattern
        if not any(token.is_group for token in own):
            return self
        if len(own) != len(self.tokens):
            return replace(self, said=other.said, pattern=own)
        pairs = zip(self.tokens, own, strict=True)
        return replace(self, pattern=tuple(mine if mine.is_group else token for token, mine in pairs))


def tokens_of(text: str) -> tuple[Token, ...]:
    """Return the pieces of a text; what surely is another at the next replay is an expression."""
    pieces = tuple(_token(match) for match in _PIECE.finditer(text[:_LONGEST]))
    return (*pieces, Token(text[_LONGEST:])) if len(text) > _LONGEST else pieces


def _token(match: re.Match[str]) -> Token:
    if match["time"] and (expression := times.expression(match["time"])):
        return Token(expression, "expression")
    return Token(match[0])


def visible(pieces: Iterable[bytes | str]) -> str:
    """Return a script's text for bytes and names of variables.

    A space at its end is an escape, since editors take those away.
    """
    text = ""
    plain = b""
    for piece in pieces:
        if isinstance(piece, bytes):
            plain += piece
            continue
        text += escape(plain)
        plain = b""
        # $${ would be no variable.
        text = f"{text[:-1]}\\x24" if text.endswith("$") else text
        text += f"${{{piece}}}"
    text += escape(plain)
    return f"{text[:-1]}\\x20" if text.endswith(" ") else text


def _guarded(tokens: tuple[Token, ...]) -> Iterable[Token]:
    """Yield tokens; a dollar before a variable is written by its number, as a backslash would escape both."""
    for token, following in zip(tokens, (*tokens[1:], None), strict=True):
        is_before = following is not None and following.kind == "variable"
        if is_before and token.kind == "text" and token.text.endswith("$"):
            yield Token(token.text[:-1])
            yield Token(r"\x24", "expression")
        else:
            yield token


def _are_of_a_kind(
    one: ReplyLine, other: ReplyLine, tokens: tuple[Token, ...], others: tuple[Token, ...]
) -> bool:
    """Return whether two lines begin alike, and have the same status where they have one."""
    statuses = [match and match[0] for match in (_STATUS.match(one.said), _STATUS.match(other.said))]
    if None not in statuses and statuses[0] != statuses[1]:
        return False
    return bool(tokens and others) and _either(tokens[0], others[0]) is not None


def _aligned(one: tuple[Token, ...], two: tuple[Token, ...]) -> tuple[Token, ...] | None:
    """Return what matches both; None where a variable would be lost."""
    places = [[n for n, token in enumerate(tokens) if token.is_fixed] for tokens in (one, two)]
    if [one[n] for n in places[0]] != [two[n] for n in places[1]]:
        either = _either_of(one, two)
        return either if all(one[n] in either for n in places[0]) else None
    pattern, start, begin = list[Token](), 0, 0
    # What stands between two variables is compared by itself.
    for stop, end in zip([*places[0], len(one)], [*places[1], len(two)], strict=True):
        pattern += [*_either_of(one[start:stop], two[begin:end]), *one[stop : stop + 1]]
        start, begin = stop + 1, end + 1
    return tuple(pattern)


def _either_of(one: tuple[Token, ...], two: tuple[Token, ...]) -> tuple[Token, ...]:
    """Return what matches both, token by token if that can be."""
    if len(one) == len(two):
        both = [_either(*pair) for pair in zip(one, two, strict=True)]
        if None not in both:
            return tuple(filter(None, both))
    ahead = _common(one, two)
    behind = _common(one[ahead:][::-1], two[ahead:][::-1])
    return (*one[:ahead], ANYTHING, *one[len(one) - behind :])


def _either(one: Token, two: Token) -> Token | None:
    if one in {two, ANYTHING}:
        return one
    for expression in (_NUMBER, _WORD):
        if all(_fits(token, expression) for token in (one, two)):
            return Token(expression, "expression")
    return None


def _fits(token: Token, expression: str) -> bool:
    if token.kind == "text":
        return re.fullmatch(expression, token.text, re.ASCII) is not None
    return token.kind == "expression" and token.text in {expression, _NUMBER}


def _common(one: tuple[Token, ...], two: tuple[Token, ...]) -> int:
    """Return how many tokens two begin with alike."""
    pairs = zip(one, two, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(two)))


def _escape_character(character: str) -> str:
    if _MEANINGFUL.match(character):
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in encode(character))
