"""Tokens that a server hands out and its client hands back: sessions, jobs, nonces. No I/O.

A token counts as handed out if it came in a reply and the client said it only afterwards. Short numbers are
everywhere, as lengths and counts: such a number is a token only if a reply is a word and that number, as in
`INSERTED 7`, and if it stands between spaces when it goes back.
"""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Container, Iterator

from socketscope.replay.record import times
from socketscope.replay.record.conversation import Conversation
from socketscope.replay.record.lines import Token
from socketscope.replay.record.marks import Mark, Marks
from socketscope.replay.script.text import BUILT_IN

_TOKEN = re.compile(rb"[0-9A-Za-z_]+(?:-[0-9A-Za-z_]+)*")
_WORD_AND_NUMBER = re.compile(rb"[^\s\d]+ \d+")
_LONG = 16
_MANY_DIGITS = 4
_WORD = re.compile(rb"[A-Za-z_][0-9A-Za-z_]*")
_LONGEST_NAME = 20
_AROUND = 64
"""Bytes before and after a token that are searched for its name, and for a time that it is part of."""


def correlated(conversation: Conversation, hidden: list[Mark]) -> Marks:
    """Return the marks for such tokens.

    Args:
        conversation: The conversation, as a tape returns it.
        hidden: Places in what the client said that have marks already.
    """
    said = conversation.plain
    places = _places(conversation, said, hidden)
    names: dict[bytes, str] = {}
    used: Counter[str] = Counter(BUILT_IN)
    lines: dict[int, list[Mark]] = {}
    for number, line in enumerate(conversation.lines):
        seen: set[bytes] = set()
        for match in _tokens(line.said, places):
            token = match[0]
            if token in seen:
                continue
            if token in names:
                written = Token(names[token], "variable")
            elif _is_handed_out(match, said, line.after) and (
                back := _given_back(token, places[token], line.after)
            ):
                places[token] = back
                name = names[token] = _name(match, used)
                written = Token(f"(?P<{name}>{_shape(token)})", "expression")
            else:
                continue
            seen.add(token)
            lines.setdefault(number, []).append(Mark(match.start(), match.end(), written))
    marks = [
        Mark(start, start + len(token), Token(name, "variable"))
        for token, name in names.items()
        for start in places[token]
    ]
    return marks, lines


def _places(conversation: Conversation, said: bytes, hidden: list[Mark]) -> dict[bytes, list[int]]:
    """Return where the client said what may be tokens."""
    replied = {token for line in conversation.lines for token in _TOKEN.findall(line.said)}
    covered = sorted((mark.start, mark.stop) for mark in hidden)
    cuts = sorted({line.after for line in conversation.lines})
    places: dict[bytes, list[int]] = {}
    for match in _tokens(said, replied):
        start, stop = match.span()
        before = bisect_left(covered, (stop, 0))
        is_hidden = before and covered[before - 1][1] > start
        # If the server spoke in the middle of it, it is not part of one message.
        is_cut = bisect_right(cuts, start) < bisect_left(cuts, stop)
        if not is_hidden and not is_cut:
            places.setdefault(match[0], []).append(start)
    return places


def _tokens(data: bytes, wanted: Container[bytes]) -> Iterator[re.Match[bytes]]:
    for match in _TOKEN.finditer(data):
        if match[0] in wanted and (_is_telling(match[0]) or _is_apart(match)):
            yield match


def _is_telling(token: bytes) -> bool:
    """Return whether a token is unlikely to repeat by chance, or to be a protocol's word such as 8BITMIME."""
    digits = sum(map(token.count, b"0123456789"))
    return digits >= _MANY_DIGITS or (digits > 0 and len(token) >= _LONG)


def _is_apart(match: re.Match[bytes]) -> bool:
    if not match[0].isdigit() or match[0].startswith(b"0"):
        return False
    around = (
        match.string[max(match.start() - 1, 0) : match.start()] + match.string[match.end() : match.end() + 1]
    )
    return not around.strip()


def _is_handed_out(match: re.Match[bytes], said: bytes, after: int) -> bool:
    """Return whether a reply hands a token out: it is neither an echo nor part of a time."""
    if not _is_telling(match[0]):
        return _WORD_AND_NUMBER.fullmatch(match.string) is not None and said.find(match.string, 0, after) < 0
    begin = max(match.start() - _AROUND, 0)
    around = match.string[begin : match.end() + _AROUND].decode("latin-1")
    start, stop = match.start() - begin, match.end() - begin
    return not any(
        time.start() <= start and stop <= time.end() and time[0] != match[0].decode()
        for time in times.FINDER.finditer(around)
    )


def _given_back(token: bytes, places: list[int], after: int) -> list[int]:
    """Return where the client gives back a token from a reply; nowhere if the token is the client's own.

    A short number that the client said before the reply is unrelated to it.
    """
    later = places[bisect_left(places, after) :]
    return later if later == places or not _is_telling(token) else []


def _shape(token: bytes) -> str:
    return r"\d+" if token.isdigit() else r"[\w-]+" if b"-" in token else r"\w+"


def _name(match: re.Match[bytes], used: Counter[str]) -> str:
    """Return a name for a token: the last word before it that is not itself a token."""
    before = match.string[max(match.start() - _AROUND, 0) : match.start()]
    words = [word for part in _TOKEN.findall(before) if not _is_telling(part) for word in _WORD.findall(part)]
    word = words[-1][:_LONGEST_NAME].decode().lower() if words else "token"
    name = word
    while used[name]:
        used[word] += 1
        name = f"{word}_{used[word]}"
    used[name] += 1
    return name
