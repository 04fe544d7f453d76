import re
from random import Random
from time import thread_time

import pytest

from socketscope.replay.script.compiler import load
from socketscope.replay.script.context import Context
from socketscope.replay.script.errors import ScriptError
from socketscope.replay.script.program import Expectation, Sending, Table, told_apart


def write(folder, text, name="x.talk"):
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("> a ${nobody}", "1:5: ${nobody} has no value here\n    > a ${nobody}\n        ^"),
        (
            "> a\n< ${name}\n<~ (?P<name>x)",
            "2:3: ${name} has no value here\n    < ${name}\n      ^",
        ),
        (
            "> ${env:SURELY_NOT_SET}",
            "1:3: SURELY_NOT_SET is not in the environment\n    > ${env:SURELY_NOT_SET}\n      ^",
        ),
        ("@set seq 1", "1:6: ${seq} is built in: give yours another name\n    @set seq 1\n         ^"),
        ("<~ (?P<user>x)", "1:4: ${user} is built in: give yours another name\n    <~ (?P<user>x)\n       ^"),
        (
            "@values none.csv",
            "1:9: cannot read none.csv: No such file or directory\n    @values none.csv\n            ^",
        ),
        (
            "@values \0.csv",
            "1:9: cannot read \0.csv: embedded null byte\n    @values \\x00.csv\n            ^",
        ),
        ("@values empty.csv", "1:9: empty.csv has no rows\n    @values empty.csv\n            ^"),
        (
            "@values short.csv",
            "1:9: line 3 of short.csv does not fit its header\n    @values short.csv\n            ^",
        ),
        (
            "@values named.csv",
            (
                "1:9: 'a b' in the header of named.csv is not a variable name\n"
                "    @values named.csv\n            ^"
            ),
        ),
        (
            "@values twice.csv",
            "1:9: 'b' is twice in the header of twice.csv\n    @values twice.csv\n            ^",
        ),
        (
            "@values open.csv",
            "1:9: cannot read open.csv: unexpected end of data\n    @values open.csv\n            ^",
        ),
        ("@values latin.csv", "1:9: latin.csv is not UTF-8\n    @values latin.csv\n            ^"),
        (
            "> a\n@connect pass",
            "2:1: this stands before all that is sent and expected\n    @connect pass\n    ^",
        ),
        (
            "@connect pass\n@connect user",
            "2:10: what a connection is for has been said already\n    @connect user\n             ^",
        ),
        ("@on x${n} > y\n> a", "1:6: ${n} has no value here\n    @on x${n} > y\n         ^"),
        ("@on x > y${n}\n> a", "1:10: ${n} has no value here\n    @on x > y${n}\n             ^"),
        ("@ignore x${n}\n> a", "1:10: ${n} has no value here\n    @ignore x${n}\n             ^"),
        ("> a${len:b${n}}", "1:11: ${n} has no value here\n    > a${len:b${n}}\n              ^"),
        ("> a\n< ${n}B", "2:3: ${n} has no value here\n    < ${n}B\n      ^"),
        ("@set uuid x", "1:6: ${uuid} is built in: give yours another name\n    @set uuid x\n         ^"),
        ("pause 1s", "1:1: nothing is sent and nothing expected\n    pause 1s\n    ^"),
        ("", "1:1: nothing is sent and nothing expected\n    \n    ^"),
    ],
)
def test_a_script_that_cannot_be_played_is_told_before_it_is(tmp_path, text, told):
    (tmp_path / "empty.csv").write_text("a,b\n")
    (tmp_path / "short.csv").write_text("a,b\n1,2\n3\n")
    (tmp_path / "named.csv").write_text("a b,c\n1,2\n")
    (tmp_path / "twice.csv").write_text("a,b,b\n1,2,3\n")
    (tmp_path / "open.csv").write_text('a,b\n1,"2\n3,4\n')
    (tmp_path / "latin.csv").write_text("a\ncafé\n", encoding="latin-1")
    path = write(tmp_path, text)
    with pytest.raises(ScriptError) as caught:
        load(path)
    assert str(caught.value) == f"{path}:{told}"


NO_ESCAPE = r"\q is not an escape; there are \\ \r \n \t \0 \xHH"


@pytest.mark.parametrize(
    ("text", "problem", "shown", "caret"),
    [
        ("> " + "a" * 1_000_000 + "\\q" + "二" * 1_000_000, NO_ESCAPE,
         "…" + "a" * 100 + "\\q" + "二" * 98 + "…", 101),
        ("> 二\\q" + "a" * 1_000_000, NO_ESCAPE, "> 二\\q" + "a" * 98 + "…", 4),
        ("x" * 1_000_000, "'" + "x" * 299 + "... (999721 characters more)", "x" * 100 + "…", 0),
    ],
)  # fmt: skip
def test_of_a_line_that_is_too_long_to_be_shown_it_is_what_is_around_the_place(
    tmp_path, text, problem, shown, caret
):
    with pytest.raises(ScriptError) as caught:
        load(write(tmp_path, text))
    told = str(caught.value).split("\n")
    assert told[0].split(": ", 1)[1] == problem
    assert told[1:] == [f"    {shown}", " " * (4 + caret) + "^"]


def test_a_script_of_many_lines_is_compiled_in_the_time_that_it_takes_to_read_it(tmp_path):
    def took(lines):
        path = write(tmp_path, "> a\n" * lines)
        began = thread_time()
        (program,) = load(path)
        assert len(program.actions) == 2 * lines
        return thread_time() - began

    # Were each line read again for each, four times as many would take sixteen times as long.
    assert took(60_000) < 8 * took(15_000)


def test_bytes_that_are_no_utf_8_are_told_with_their_place(tmp_path):
    path = tmp_path / "x.talk"
    path.write_bytes(b"> a\n> b\xff\n")
    with pytest.raises(ScriptError) as caught:
        load(path)
    assert str(caught.value) == f"{path}:2:4: this is not UTF-8\n    > b\ufffd\n       ^"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "no .talk or .txt script is in this folder"),
        ("x.py", "a script's name ends in .talk or .txt"),
        ("recordings", "there is no such file or folder"),
        ("x.talk", "cannot be read: No such file or directory"),
    ],
)
def test_what_is_no_script_at_all_is_told(tmp_path, name, told):
    if name == "x.py":
        write(tmp_path, "no script", name)
    with pytest.raises(ScriptError) as caught:
        load(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name}: {told}"


def test_a_folder_gives_the_scripts_directly_in_it(tmp_path):
    write(tmp_path, "> b", "b.talk")
    write(tmp_path, "a", "a.txt")
    write(tmp_path, "no script", "notes.md")
    (tmp_path / "deeper.talk").mkdir()
    write(tmp_path / "deeper.talk", "> c", "c.talk")
    assert [program.file for program in load(tmp_path)] == [f"{tmp_path}/a.txt", f"{tmp_path}/b.talk"]


def expectations(folder, text, name="x.talk"):
    (program,) = load(write(folder, text, name))
    return [(a.line, a.kind) for a in program.actions if isinstance(a, Expectation)]


@pytest.mark.parametrize(
    ("text", "waited_for"),
    [
        ("> a", [(1, "any")]),
        ("> a\n> b\n< b", [(1, "any"), (3, "line")]),
        ("> a\n== later\npause 1ms\n<... b", [(4, "until")]),
        ("@reply none\n> a\n@reply line\n> b", [(4, "any")]),
        ("> a\n!reset", [(1, "any")]),
        ("> a\n<$", [(2, "close")]),
        ("!dribble 1B/1ms a\n!flood 1KiB\n!garbage 1KiB", []),
    ],
)
def test_a_message_waits_for_a_line_unless_the_script_says_what_for(tmp_path, text, waited_for):
    assert expectations(tmp_path, text) == waited_for


def test_a_text_file_is_messages_as_they_stand(tmp_path):
    (program,) = load(write(tmp_path, "# ${x}\r\n\r\n\\q a\rb\r\n", "x.txt"))
    sent = [a.data(Context(Random(1))) for a in program.actions if isinstance(a, Sending)]
    assert sent == [b"# ${x}\r\n", b"\\q a\rb\r\n"]
    assert expectations(tmp_path, "a\nb\n", "x.txt") == [(1, "any"), (2, "any")]


@pytest.mark.parametrize(
    ("text", "greeted"),
    [
        ("> a\n< b", False),
        ("pause 1ms\n< hello\n> a", True),
        ("!hold 1s\n<$", True),
        ("> a\n< b\n<$\n> c", False),
        ("> a\n!reset\n< hello\n> c", True),
    ],
)
def test_a_script_tells_whether_its_server_speaks_first(tmp_path, text, greeted):
    assert load(write(tmp_path, text))[0].is_greeted is greeted


def test_each_pass_takes_the_next_row_over_and_over(tmp_path):
    (tmp_path / "x.csv").write_text('\ufeffname,city\nada,"Lon, don"\nbob,Rome\n', encoding="utf-8")
    (program,) = load(write(tmp_path, "@values x.csv\n> ${name} ${city}"))
    (table,) = (action for action in program.actions if isinstance(action, Table))
    assert [table.next_row()["name"] for _ in range(3)] == ["ada", "bob", "ada"]
    assert table.next_row() == {"name": "bob", "city": "Rome"}


def match(folder, text, reply, **values):
    names = "".join(f"@set {name} x\n" for name in values)
    (program,) = load(write(folder, f"{names}> a\n{text}"))
    expectation = program.actions[-1]
    assert isinstance(expectation, Expectation)
    return expectation.matches(reply, Context(Random(1), values))


def test_a_group_gives_a_variable_and_one_that_took_no_part_is_empty(tmp_path):
    assert match(tmp_path, "<~ (?P<a>x)|(?P<b>y)", b"y") == {"a": "", "b": "y"}
    assert match(tmp_path, "<~ ^y", b"xy") is None


def test_a_value_in_an_expression_means_itself(tmp_path):
    assert match(tmp_path, "<~ ^${v}$", b"a+b", v="a+b") == {}
    assert match(tmp_path, "<~ ^${v}$", b"aab", v="a+b") is None
    # The value makes it a range from high to low, which is no expression at all.
    with pytest.raises(re.error):
        re.compile("a{3,2}")
    assert match(tmp_path, "<~ a{${v},2}", b"aaa", v="3") is None


def test_a_line_is_compared_byte_for_byte(tmp_path):
    assert match(tmp_path, r"< \xff\0", b"\xff\0") == {}
    assert match(tmp_path, "< a", b"a ") is None


def test_steps_of_several_files_are_told_apart(tmp_path):
    for name in ("a/x.talk", "b/x.talk", "b/y.talk"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("> a\n== set\n> b\n")
    programs = [program for folder in ("a", "b") for program in load(tmp_path / folder)]
    apart = told_apart(programs)
    assert [program.steps for program in apart] == [
        (f"{tmp_path}/a/x.talk/main", f"{tmp_path}/a/x.talk/set"),
        (f"{tmp_path}/b/x.talk/main", f"{tmp_path}/b/x.talk/set"),
        ("y.talk/main", "y.talk/set"),
    ]
    for program in apart:
        assert {getattr(action, "step") for action in program.actions} == set(program.steps)  # noqa: B009
    assert told_apart(programs[:1] * 2) == programs[:1] * 2


def test_a_file_whose_name_is_no_text_has_steps_that_are(tmp_path):
    programs = [load(write(tmp_path, "> a\n", name))[0] for name in ("x.talk", "\udcff\x1b.talk")]
    assert told_apart(programs)[1].steps == (r"\udcff\x1b.talk/main",)
