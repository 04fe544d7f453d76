"""What a recording must not show: passwords, and whatever its user names. No I/O.

In what a client says, a secret becomes a variable of the environment.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

from socketscope.replay.record.conversation import Conversation
from socketscope.replay.record.lines import ANYTHING, ReplyLine, Token
from socketscope.replay.record.marks import Mark, Marks

Span = tuple[int, int]

_COMMAND = re.compile(
    # The tags of IMAP, which are short, have a digit or are a letter.
    rb"^(?:(?:(?:[\w.-]{0,31}\d[\w.-]{0,31}|[a-z]) +)?(LOGIN|AUTHENTICATE)"
    rb"|((?:HELLO +\d +)?AUTH|AUTHINFO +SASL)|(PASS|PASSWORD|AUTHINFO +PASS)|(?:Proxy-)?(AUTHORIZATION):)"
    rb"[ \t]+([^\n]+)",
    re.IGNORECASE | re.MULTILINE,
)
_RESP = re.compile(rb"\$4\r\nAUTH\r\n\$\d+\r\n([^\r\n]*)\r\n(?:\$\d+\r\n([^\r\n]*)\r\n)?", re.IGNORECASE)
_JSON = re.compile(rb'"(?:pass(?:word)?|auth_token)"\s*:\s*"((?:[^"\\]|\\.)+)"', re.IGNORECASE)
_WORD = re.compile(rb'"(?:[^"\\]|\\.)*"|\S+')
_MECHANISM = re.compile(
    rb'"?(?:PLAIN|LOGIN|EXTERNAL|ANONYMOUS|GSSAPI|NTLM|OTP|CRAM-MD5|DIGEST-MD5|SCRAM-[\w-]+|GS2-[\w-]+|XOAUTH2'
    rb'|OAUTHBEARER|BASIC|BEARER|DIGEST|TLS|SSL)"?',
    re.IGNORECASE,
)
_NO_SECRET = re.compile(rb"\{\d+\+?\}|[=*]")
"""What stands in a secret's place: the length of a literal to come (IMAP), nothing (=), or giving up (*)."""

_LITERAL = re.compile(rb"[^\r\n]*\{(\d{1,9})\+\}\r?\n")
"""A line that ends with the length of a literal to come at once, as IMAP's LITERAL+ has it."""

_GO_ON = re.compile(rb"(?:334|383|\+)(?: |$)")
"""The server asks the client to go on: SMTP, NNTP, and IMAP and POP3."""

_ASKS = re.compile(
    rb"(?!\d{3}[ -]|[^<]{0,320}<.{0,320}>\s{0,9}$)"
    rb".{0,200}pass(?:word|phrase|code)\b.{0,100}[:>?]\s{0,9}$",
    re.IGNORECASE | re.DOTALL,
)
"""The server asks a person for it, as `login` does, in a line of a screen; to one with a status the answer
is a command, and one that ends with a tag, as in XML, asks nobody."""

_CONTROLS = bytes(range(0x20))
_FRAME = 8
"""Bytes, at most, of a length before a message, or of what ends it."""

_SHORTEST = 4
"""Bytes of a secret that is looked for elsewhere; shorter ones are there by chance."""


class Secrets:
    """Finds what is masked, and knows the names that stand for it in all of a recording."""

    def __init__(self, expressions: Sequence[re.Pattern[bytes]]) -> None:
        """Make it know nothing.

        Args:
            expressions: What else is masked: their first group, or without one all of the match.
        """
        self._expressions = expressions
        self._names: dict[bytes, str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The variables of the environment that stand for secrets."""
        return tuple(self._names.values())

    def marks(self, conversation: Conversation) -> Marks:
        """Return what is written for secrets in what the client said, and in the lines by their number."""
        said = conversation.plain
        cuts = sorted({0, len(said), *(line.after for line in conversation.lines if line.after <= len(said))})
        ends = sorted({line.after for line in conversation.lines if not _shows(line, said)})
        marks = []
        for start, stop in (*_commanded(said, conversation, cuts), *self._redacted(said, ends)):
            # What the server spoke in the middle of is masked on both sides of that.
            places = [start, *cuts[bisect_right(cuts, start) : bisect_left(cuts, stop)], stop]
            marks += [
                Mark(one, two, Token(f"env:{self._name(said[one:two])}", "variable"))
                for one, two in pairwise(places)
            ]
        known, *of_lines = self._known([said, *(line.said for line in conversation.lines)])
        lines = {
            number: found
            for number, line in enumerate(conversation.lines)
            if (found := [*of_lines[number], *(Mark(*span, ANYTHING) for span in self._redacted(line.said))])
        }
        return marks + known, lines

    def _name(self, secret: bytes) -> str:
        return self._names.setdefault(secret, f"SECRET_{len(self._names) + 1}")

    def _known(self, texts: Sequence[bytes]) -> list[list[Mark]]:
        """Return what is written in each of some texts for secrets that are known."""
        # Each secret is looked for once, in all of them: a recording may have thousands of both.
        whole = b"\n".join(texts)
        begins = list(accumulate((len(text) + 1 for text in texts), initial=0))
        marks: list[list[Mark]] = [[] for _ in texts]
        for secret, name in self._names.items():
            size = len(secret)
            at = whole.find(secret) if size >= _SHORTEST else -1
            while at >= 0:
                number = bisect_right(begins, at) - 1
                if at + size < begins[number + 1]:  # and no part of two lines
                    start = at - begins[number]
                    marks[number].append(Mark(start, start + size, Token(f"env:{name}", "variable")))
                at = whole.find(secret, at + size)
        return marks

    def _redacted(self, data: bytes, ends: Sequence[int] = ()) -> Iterator[Span]:
        """Yield what a user says is secret, up to where a message ends (`ends`) if that is enough of it."""
        for expression in self._expressions:
            at = 0
            while at <= len(data) and (match := expression.search(data, at)):
                end = bisect_right(ends, match.start())
                if end < len(ends) and ends[end] < match.end():
                    # The next message is no part of the one before, which may have had no line's end.
                    match = expression.match(data, match.start(), ends[end]) or match
                start, stop = match.span(1 if expression.groups else 0)
                if start < stop:
                    yield start, stop
                at = max(match.end(), match.start() + 1)


def _commanded(said: bytes, conversation: Conversation, cuts: Sequence[int]) -> Iterator[Span]:
    """Yield what a client says to be let in."""
    lines = _in_lines(said, cuts)
    # Of two that overlap the first counts: a password of several words may begin like a command.
    for match in _RESP.finditer(said):
        yield match.span(match.lastindex or 0)
    for match in _COMMAND.finditer(lines):
        yield from _arguments(match)
        yield from _last_literal(said, match.start(5))
    for match in _JSON.finditer(said):
        yield match.span(1)
    yield from _answers(lines, conversation)


def _shows(line: ReplyLine, said: bytes) -> bool:
    """Return whether the server shows what is being typed, or a star for each of its characters."""
    return bool(line.said) and (said.endswith(line.said, 0, line.after) or not line.said.strip(b"*"))


def _in_lines(said: bytes, cuts: Sequence[int]) -> bytes:
    """Return what was said with LF for what else parts messages: CR, and control characters at their ends."""
    lines = bytearray(said.replace(b"\r", b"\n"))
    for cut in cuts:
        last, first = lines[max(cut - _FRAME, 0) : cut], lines[cut : cut + _FRAME]
        start = cut - len(last) + len(last.rstrip(_CONTROLS))
        stop = cut + len(first) - len(first.lstrip(_CONTROLS))
        lines[start:stop] = b"\n" * (stop - start)
    return bytes(lines)


def _arguments(match: re.Match[bytes]) -> Iterator[Span]:
    login, auth, password, header, _ = match.groups()
    start, stop = match.span(5)
    words = list(_WORD.finditer(match.string, start, stop))
    if words and password is None:
        may_name_mechanism = auth or header or login.upper() == b"AUTHENTICATE"
        # A mechanism's name, and who it is, are no secrets.
        if len(words) > 1 or (may_name_mechanism and _MECHANISM.fullmatch(words[0][0])):
            del words[0]
    if words and not (len(words) == 1 and _NO_SECRET.fullmatch(words[0][0])):
        yield words[0].start(), len(match.string[:stop].rstrip())


def _last_literal(said: bytes, start: int) -> Iterator[Span]:
    """Yield the last of the literals in what is said from a place on; one before it is who it is."""
    found: Span | None = None
    while literal := _LITERAL.match(said, start):
        found = literal.end(), min(literal.end() + int(literal[1]), len(said))
        start = found[1]
    if found is not None:
        yield found


def _answers(said: bytes, conversation: Conversation) -> Iterator[Span]:
    """Yield what is said, in lines, after a server has asked for a password, or for more of a login."""
    lines = conversation.lines
    logs_in = False
    for number, line in enumerate(lines):
        start = line.after
        stop = min(lines[number + 1].after, len(said)) if number + 1 < len(lines) else len(said)
        before = lines[number - 1].after if number else 0
        logs_in = logs_in or any(_COMMAND.finditer(said, before, min(start, len(said))))
        if stop <= start:
            continue
        answer = said[start:stop].rstrip(b"\n")
        if _ASKS.match(line.said):
            answer = answer.partition(b"\n")[0]
        elif not (logs_in and _GO_ON.match(line.said)):
            logs_in = False
            continue
        if answer and not _NO_SECRET.fullmatch(answer):
            yield start, start + len(answer)
