"""A folder of recorded conversations."""

import errno
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from socketscope.replay.record.folder import Folder
from tests.unit.replay.record.tapes import CLOSED, LEFT, conversation


def add(folder: Folder, *said) -> str | None:
    path = folder.add(conversation(*said))
    return None if path is None else path.name


def test_a_folder_has_a_script_for_each_distinct_conversation(tmp_path):
    (tmp_path / "001.talk").write_text("> mine\n")
    folder = Folder(tmp_path, "recorded from unix:///a\n\udcff")
    assert add(folder, (">", b"incr a\r\n"), ("<", b":1\r\n")) == "002.talk"
    assert add(folder, (">", b"incr b\r\n"), ("<", b":1\r\n")) == "003.talk"
    assert add(folder, (">", b"incr a\r\n"), ("<", b":2\r\n")) is None
    assert add(folder, (">", b"incr a\r\n"), ("<", b"-ERR\r\n"), CLOSED) == "004.talk"
    assert folder.written == 3
    begin = "# recorded from unix:///a\\n\\udcff\n@connect pass\n== incr\n"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "001.talk": "> mine\n",
        "002.talk": f"{begin}> incr a\n<~ ^:\\d+$\n",
        "003.talk": f"{begin}> incr b\n< :1\n",
        "004.talk": f"{begin}> incr a\n< -ERR\n<$\n",
    }
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("00[2-4].talk")} == {0o600}


@contextmanager
def room_for(most: int) -> Iterator[None]:
    """Have a file be no longer than this, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_script_that_cannot_be_written_anew_stays_as_it_was(tmp_path):
    folder = Folder(tmp_path, "recorded")
    add(folder, (">", b"get x\n"), ("<", b"id 17 alpha\n"))
    before = (tmp_path / "001.talk").read_text()
    for _ in range(2):
        with room_for(20), pytest.raises(OSError, match="File too large") as raised:
            add(folder, (">", b"get x\n"), ("<", b"id 18 alpha\n"))
        assert (raised.value.errno, raised.value.filename) == (errno.EFBIG, str(tmp_path / "001.talk"))
        assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"001.talk": before}
    add(folder, (">", b"get x\n"), ("<", b"id 18 alpha\n"))
    assert (tmp_path / "001.talk").read_text() == before.replace("< id 17", "<~ ^id \\d+").replace(
        "alpha", "alpha$"
    )
    assert (tmp_path / "001.talk").stat().st_mode & 0o777 == 0o600


def test_a_script_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    folder = Folder(tmp_path, "recorded")
    with room_for(20), pytest.raises(OSError, match="File too large"):
        add(folder, (">", b"get x\n"), ("<", b"id 17 alpha\n"))
    assert (folder.written, list(tmp_path.iterdir())) == (0, [])
    assert add(folder, (">", b"get x\n"), ("<", b"id 17 alpha\n")) == "002.talk"


def test_to_look_whether_a_folder_can_be_written_to_touches_nothing_in_it(tmp_path):
    (tmp_path / ".probe").write_text("mine")
    Folder(tmp_path, "recorded")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {".probe": "mine"}


def test_what_varies_in_a_greeting_is_learned_from_all_scripts(tmp_path):
    folder = Folder(tmp_path, "recorded")
    add(folder, (">", b"eager\n"), ("<", b"220 hi 1\nok\n"), LEFT)
    for number, word in enumerate((b"a\n", b"b\n", b"c\n"), 2):
        add(folder, ("<", b"220 hi %d\n" % number), (">", word), ("<", b"ok %d\n" % number), LEFT)
    add(folder, ("<", b"421 busy\n"), CLOSED)
    begin = "# recorded\n@connect pass\n== greeting\n"
    told = [path.read_text().removeprefix(begin) for path in sorted(tmp_path.iterdir())]
    greeting = "<~ ^220 hi \\d+$\n"
    assert told == [
        f"{greeting}== eager\n@eol lf\n> eager\n< ok\n",
        *(f"{greeting}== message\n@eol lf\n> {word}\n< ok {n}\n" for n, word in enumerate("abc", 2)),
        "< 421 busy\n<$\n",
    ]


def test_who_left_before_a_greeting_was_over_is_recorded_too(tmp_path):
    folder = Folder(tmp_path, "recorded")
    add(folder, ("<", b"220 hi\n220 welcome\n"), (">", b"a\n"), ("<", b"ok\n"), LEFT)
    assert add(folder, (">", b"eager\n"), ("<", b"220 hi\n"), LEFT) == "002.talk"


@pytest.mark.parametrize("order", [("use", "ask", "left"), ("left", "ask", "use"), ("ask", "use", "left")])
def test_a_greeting_has_a_group_for_those_alone_who_give_back_what_it_hands_out(tmp_path, order):
    folder = Folder(tmp_path, "recorded")
    greetings = {"use": b"hi 12ab34cd56\n", "ask": b"hi a9b8c7d6e5\n", "left": b"hi 77f0e1d2c3\n"}
    said = {"use": b"use 12ab34cd56\n", "ask": b"ask\n"}
    names = {}
    for one in order:
        spoken = [(">", said[one]), ("<", b"ok\n")] if one in said else []
        before = [("<", greetings[one])] if spoken else [LEFT, ("<", greetings[one])]
        names[add(folder, *before, *spoken, *([LEFT] if spoken else []))] = one
    scripts = {one: (tmp_path / name).read_text() for name, one in names.items()}
    assert "\n> use ${hi}\n" in scripts["use"]
    for one, script in scripts.items():
        (pattern,) = re.findall(r"^<~ (\^hi .*)$", script, re.MULTILINE)
        assert ("(?P<hi>" in pattern) == (one == "use")
        assert all(re.search(pattern.encode(), greeting.rstrip()) for greeting in greetings.values())
