"""Secrets, which a recording must not show: passwords, and what its user has named. No I/O.

In what a client says, a secret becomes an environment variable.
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
    # IMAP tags are short, and have a digit or are a single letter.
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
"""What may stand in place of a secret: the length of an IMAP literal, nothing (=), or giving up (*)."""

_LITERAL = re.compile(rb"[^\r\n]*\{(\d{1,9})\+\}\r?\n")
"""A line that ends with the length of a literal that follows at once, as with IMAP's LITERAL+."""

_GO_ON = re.compile(rb"(?:334|383|\+)(?: |$)")
"""The server asks the client to continue: SMTP, NNTP, and IMAP and POP3."""

_ASKS = re.compile(
    rb"(?!\d{3}[ -]|[^<]{0,320}<.{0,320}>\s{0,9}$)"
    rb".{0,200}pass(?:word|phrase|code)\b.{0,100}[:>?]\s{0,9}$",
    re.IGNORECASE | re.DOTALL,
)
"""The server asks a person for a password, as `login` does. The answer to a line with a status is a command,
and a line that ends with a tag, as in XML, asks nobody."""

_CONTROLS = bytes(range(0x20))
_FRAME = 8
"""The most bytes of a length before a message, or of what ends it."""

_SHORTEST = 4
"""Bytes of the shortest secret that is searched for elsewhere; shorter ones occur by chance."""


class Secrets:
    """Finds secrets, and names each one, the same in the whole recording."""

    def __init__(self, expressions: Sequence[re.Pattern[bytes]]) -> None:
        """Know no secret yet.

        Args:
            expressions: What else is a secret: the first group, or without groups the whole match.
        """
        self._expressions = expressions
        self._names: dict[bytes, str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The environment variables that stand for secrets."""
        return tuple(self._names.values())

    def marks(self, conversation: Conversation) -> Marks:
        """Return the marks for secrets in what the client said, and in the lines by their number."""
        said = conversation.plain
        cuts = sorted({0, len(said), *(line.after for line in conversation.lines if line.after <= len(said))})
        ends = sorted({line.after for line in conversation.lines if not _shows(line, said)})
        marks = []
        for start, stop in (*_commanded(said, conversation, cuts), *self._redacted(said, ends)):
            # If the server spoke in the middle of a secret, both parts are masked.
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
        """Return the marks for known secrets in each text."""
        # Each secret is searched for once, in all texts together: there may be thousands of both.
        whole = b"\n".join(texts)
        begins = list(accumulate((len(text) + 1 for text in texts), initial=0))
        marks: list[list[Mark]] = [[] for _ in texts]
        for secret, name in self._names.items():
            size = len(secret)
            at = whole.find(secret) if size >= _SHORTEST else -1
            while at >= 0:
                number = bisect_right(begins, at) - 1
                if at + size < begins[number + 1]:  # not across two lines
                    start = at - begins[number]
                    marks[number].append(Mark(start, start + size, Token(f"env:{name}", "variable")))
                at = whole.find(secret, at + size)
        return marks

    def _redacted(self, data: bytes, ends: Sequence[int] = ()) -> Iterator[Span]:
        """Yield what the user's expressions match, up to a message's end (`ends`) if that matches too."""
        for expression in self._expressions:
            at = 0
            while at <= len(data) and (match := expression.search(data, at)):
                end = bisect_right(ends, match.start())
                if end < len(ends) and ends[end] < match.end():
                    # The next message is not part of this one, which may have had no line ending.
                    match = expression.match(data, match.start(), ends[end]) or match
                start, stop = match.span(1 if expression.groups else 0)
                if start < stop:
                    yield start, stop
                at = max(match.end(), match.start() + 1)


def _commanded(said: bytes, conversation: Conversation, cuts: Sequence[int]) -> Iterator[Span]:
    """Yield what a client says to log in."""
    lines = _in_lines(said, cuts)
    # If two overlap, the first counts: a password of several words may begin like a command.
    for match in _RESP.finditer(said):
        yield match.span(match.lastindex or 0)
    for match in _COMMAND.finditer(lines):
        yield from _arguments(match)
        yield from _last_literal(said, match.start(5))
    for match in _JSON.finditer(said):
        yield match.span(1)
    yield from _answers(lines, conversation)


def _shows(line: ReplyLine, said: bytes) -> bool:
    """Return whether the server echoes what is typed, or a star for each character."""
    return bool(line.said) and (said.endswith(line.said, 0, line.after) or not line.said.strip(b"*"))


def _in_lines(said: bytes, cuts: Sequence[int]) -> bytes:
    """Return what was said with LF for all that separates messages: CR, and control characters at cuts."""
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
        # The names of a mechanism and of a user are no secrets.
        if len(words) > 1 or (may_name_mechanism and _MECHANISM.fullmatch(words[0][0])):
            del words[0]
    if words and not (len(words) == 1 and _NO_SECRET.fullmatch(words[0][0])):
        yield words[0].start(), len(match.string[:stop].rstrip())


def _last_literal(said: bytes, start: int) -> Iterator[Span]:
    """Yield the last of the literals that follow a place; one before it is the user's name."""
    found: Span | None = None
    while literal := _LITERAL.match(said, start):
        found = literal.end(), min(literal.end() + int(literal[1]), len(said))
        start = found[1]
    if found is not None:
        yield found


def _answers(said: bytes, conversation: Conversation) -> Iterator[Span]:
    """Yield what is said in reply to a server that asks for a password, or to continue a login."""
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
