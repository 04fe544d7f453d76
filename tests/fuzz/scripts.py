"""Scripts of the replay client: parsed, made ready, explained, and printed to be parsed again."""

import re
import time
from pathlib import Path
from random import Random

from socketscope.replay.script.compiler import compile_script
from socketscope.replay.script.errors import ScriptError
from socketscope.replay.script.explanation import explain
from socketscope.replay.script.parser import parse_messages, parse_transcript, split_lines
from tests.printer import print_transcript

from .bending import bent

LONGEST = 5.0
"""Seconds for a script, after which the parser is held to hang."""

_PLACE = re.compile(r"script:(\d+):(\d+): ")

ROOT = Path(__file__).parents[2]
_FILES = sorted(file for file in ROOT.glob("client/scripts/**/*") if file.suffix in {".talk", ".txt"})
_LINES = (
    "> ${len:${base64:a}}", "> ${hmac-sha256:k:${now:%Y}}", "<~ (?P<a>[^]]+)\\x41{2,3}?", "<~ ü*[a-z]",
    "< 26B", "< ${n}B", "@set n 7", "@on ^PING (.*)> > PONG", "@values rows.csv", "!dribble 1B/200ms x",
    "!flood 1MiB", "pause 1ms..2ms", "@timeout 500ms", "<...~ ^\\d+$", "<|~ x", "<...$", "@ignore ^#",
    "@connect pass", "!reset", "> $${a} \\x00\\xff", "> ${random:int:1:9}${random:hex:8}${uuid}${env:HOME}",
    "== ${step}", "@eol none",
)  # fmt: skip
CORPUS = tuple(
    text.encode()
    for text in (
        *_LINES * 3,
        "\n".join(_LINES),
        *(file.read_text(encoding="utf-8") for file in _FILES),
    )
)


def script(_: object, random: Random) -> int:
    """Play a script's text through all that reads it; return 1.

    Raises:
        AssertionError: It took too long, is another after it was printed, or an error has no place in it.
        Exception: Any but `ScriptError` is a fault.
    """
    text = bent(random, CORPUS).decode(errors="replace")
    began = time.monotonic()
    for parse in (parse_transcript, parse_messages):
        try:
            parsed = parse(text, "script")
            explain(compile_script(parsed, ROOT))
        except ScriptError as error:
            _check_place(error, text)
            continue
        if parse is parse_transcript:
            again = parse_transcript(print_transcript(parsed), "script")
            constructs = [[line.construct for line in each.lines] for each in (parsed, again)]
            assert constructs[0] == constructs[1], text
    assert time.monotonic() - began < LONGEST, f"took {time.monotonic() - began:.1f} s"
    return 1


def _check_place(error: ScriptError, text: str) -> None:
    place = _PLACE.match(str(error))
    assert place, str(error)
    line, column = map(int, place.groups())
    lines = split_lines(text)
    assert 1 <= line <= len(lines), str(error)
    assert 1 <= column <= len(lines[line - 1]) + 1, str(error)
