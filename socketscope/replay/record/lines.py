"""Reply lines of a recording: exact, or patterns where conversations differ. No I/O."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, Self

from socketscope.replay.record import times
from socketscope.replay.script.parser import COUNT
from socketscope.replay.script.text import decode, encode, escape

_PIECE = re.compile(rf"(?P<time>{times.FINDER.pattern})|\d+|[^\W\d]\w*|.", re.DOTALL | re.ASCII)
_MEANINGFUL = re.compile(r"[\\.^$*+?{}\[\]|()]")
_STATUS = re.compile(rb"[1-5]\d\d(?=[ -]|$)")
_LONGEST = 1 << 16
"""Characters of a line that are split into pieces. The rest is one piece, and `.*` in an expression if it is
as long again: an expression of a megabyte takes seconds to compile."""

_NUMBER = r"\d+"
_WORD = r"\w+"
_ANYTHING = ".*"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a line: a text, an expression, or a variable, of which `text` is the name."""

    text: str
    kind: Literal["text", "expression", "variable"] = "text"

    @property
    def expression(self) -> str:
        """The piece as a part of a regular expression."""
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
        """Whether it is a group, which sets a variable."""
        return self.kind == "expression" and self.text.startswith("(?P<")

    @property
    def is_fixed(self) -> bool:
        """Whether it sets or uses a variable, and so must stay in a pattern."""
        return self.kind == "variable" or self.is_group

    def unnamed(self) -> Self:
        """Return what matches the same and sets no variable."""
        return replace(self, text=self.text.partition(">")[2][:-1]) if self.is_group else self


ANYTHING = Token(_ANYTHING, "expression")


@dataclass(frozen=True, slots=True)
class ReplyLine:
    """A line that a server said at one place of a conversation, in all recordings of it.

    Attributes:
        said: The line; if it varied, the first one.
        after: How much the client had said when it came; if that varied, the least.
        ended: Whether a line ending, or the end of the connection, followed; false for a prompt.
        pattern: What all of them match, if they differ.
    """

    said: bytes
    after: int = 0
    ended: bool = True
    pattern: tuple[Token, ...] = ()

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The pieces; computed each time, as a long conversation has too many to keep."""
        return self.pattern or tokens_of(decode(self.said))

    def expectation(self) -> str:
        """Return the line of a script that expects this one."""
        # It is split only if it has patterns: a megabyte of binary has a million pieces, which takes seconds.
        text = decode(self.said)
        tokens = self.tokens if self.pattern or times.FINDER.search(text) else (Token(text),)
        text = visible((encode(token.text) if token.kind == "text" else token.text) for token in tokens)
        # A text that a script would read as a number of bytes is written as an expression too.
        if any(token.kind == "expression" for token in tokens) or (self.ended and COUNT.fullmatch(text)):
            pattern = "".join(token.expression for token in _guarded(tokens))
            # Digits and a word after them become a word: another hexadecimal number may begin with a letter.
            pattern = pattern.replace(_NUMBER + _WORD, _WORD)
            # Not greedy, so that the group is as long as it can be.
            pattern = pattern.replace(f"{_ANYTHING}(?P<", f"{_ANYTHING}?(?P<")
            return f"<~ ^{pattern}$" if self.ended else f"<|~ ^{pattern}"
        return f"< {text}" if self.ended else f"<| {text}"

    def merged(self, other: Self) -> Self | None:
        """Return a line that stands for both: exact if they are equal, a pattern if they differ.

        None if they are not of one kind, such as a success and a failure.

        Args:
            other: A line from a single recording.
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
        """Return the line without groups, for conversations that give back nothing of it."""
        return replace(self, pattern=tuple(token.unnamed() for token in self.pattern))

    def with_groups_of(self, other: Self) -> Self:
        """Return this line with the groups of `other`, which is one of the lines it was merged from."""
        own = other.pattern
        if not any(token.is_group for token in own):
            return self
        if len(own) != len(self.tokens):
            return replace(self, said=other.said, pattern=own)
        pairs = zip(self.tokens, own, strict=True)
        return replace(self, pattern=tuple(mine if mine.is_group else token for token, mine in pairs))


def tokens_of(text: str) -> tuple[Token, ...]:
    """Return the pieces of a text; what will certainly differ at the next replay is an expression."""
    pieces = tuple(_token(match) for match in _PIECE.finditer(text[:_LONGEST]))
    return (*pieces, Token(text[_LONGEST:])) if len(text) > _LONGEST else pieces


def _token(match: re.Match[str]) -> Token:
    if match["time"] and (expression := times.expression(match["time"])):
        return Token(expression, "expression")
    return Token(match[0])


def visible(pieces: Iterable[bytes | str]) -> str:
    """Return the text of a script for bytes and names of variables.

    A space at the end is escaped, as editors strip trailing spaces.
    """
    text = ""
    plain = b""
    for piece in pieces:
        if isinstance(piece, bytes):
            plain += piece
            continue
        text += escape(plain)
        plain = b""
        # In $${ the second $ would not begin a variable.
        text = f"{text[:-1]}\\x24" if text.endswith("$") else text
        text += f"${{{piece}}}"
    text += escape(plain)
    return f"{text[:-1]}\\x20" if text.endswith(" ") else text


def _guarded(tokens: tuple[Token, ...]) -> Iterable[Token]:
    """Yield tokens; a dollar right before a variable becomes an escape, as a backslash would escape both."""
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
    """Return whether two lines begin alike, and have the same status if both have one."""
    statuses = [match and match[0] for match in (_STATUS.match(one.said), _STATUS.match(other.said))]
    if None not in statuses and statuses[0] != statuses[1]:
        return False
    return bool(tokens and others) and _either(tokens[0], others[0]) is not None


def _aligned(one: tuple[Token, ...], two: tuple[Token, ...]) -> tuple[Token, ...] | None:
    """Return what matches both; None if that would lose a variable."""
    places = [[n for n, token in enumerate(tokens) if token.is_fixed] for tokens in (one, two)]
    if [one[n] for n in places[0]] != [two[n] for n in places[1]]:
        either = _either_of(one, two)
        return either if all(one[n] in either for n in places[0]) else None
    pattern, start, begin = list[Token](), 0, 0
    # The parts between variables are compared separately.
    for stop, end in zip([*places[0], len(one)], [*places[1], len(two)], strict=True):
        pattern += [*_either_of(one[start:stop], two[begin:end]), *one[stop : stop + 1]]
        start, begin = stop + 1, end + 1
    return tuple(pattern)


def _either_of(one: tuple[Token, ...], two: tuple[Token, ...]) -> tuple[Token, ...]:
    """Return what matches both, token by token if possible."""
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
    """Return the length of the common prefix of two lists of tokens."""
    pairs = zip(one, two, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(two)))


def _escape_character(character: str) -> str:
    if _MEANINGFUL.match(character):
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in encode(character))
