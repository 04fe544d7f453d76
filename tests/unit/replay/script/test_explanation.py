import io

import pytest

from socketscope.commands.group import main

CART = r"""# cart.talk: what a line server is told, and what it must say
@timeout 500ms
@set name ${random:hex:4}
< hello
== set then get
> SET k${seq} v1
< +OK
pause 20ms..80ms

== a block that ends with END
@eol lf
> stats \xff
<... END
@reply none
@eol none
> NOSUCH ${name}
@timeout 2s
<~ ^-ERR ${name} \d
pause 50ms
!dribble 1B/200ms abc
<...~ x
@values people.csv
!garbage 1KiB
pause ~10ms
!flood 2KiB
!hold 100ms
> bye
!half-close
<$
> again
!reset
"""

EXPLAINED = r"""{}/cart.talk: 8 messages in 3 steps
          set ${{name}} to "${{random:hex:4}}"
  main
          connect, and let the server speak first: --connect pass or user
       4  expect the line "hello", within 500ms
  set then get
       6  send "SET k${{seq}} v1" and CRLF
       7  expect the line "+OK"
          pause 20ms to 80ms
  a block that ends with END
      12  send "stats \xff" and LF
      13  read until the line "END"
      16  send "NOSUCH ${{name}}" without an ending
      18  expect a line that matches ^-ERR ${{name}} \d, within 2s
          pause 50ms
      20  send "abc" without an ending, 1 byte every 200ms
      21  read until a line matches x
          take the next row of people.csv: ${{first}}, ${{last}}
      23  send 1024 random bytes
          pause 10ms on average
      25  send 2048 bytes that end no line
          keep silent for 100ms
      27  send "bye" without an ending
          shut down sending
      29  expect the server to close
      30  send "again" without an ending
          close with a reset
"""


def check(capsys, monkeypatch, *paths):
    monkeypatch.setattr("sys.argv", ["client", "check", *map(str, paths)])
    with pytest.raises(SystemExit) as ended:
        main("python -m client")
    return ended.value.code, *capsys.readouterr()


def test_a_script_is_explained_step_by_step(tmp_path, capsys, monkeypatch):
    (tmp_path / "cart.talk").write_text(CART)
    (tmp_path / "people.csv").write_text("first,last\nada,l\n")
    assert check(capsys, monkeypatch, tmp_path / "cart.talk") == (0, EXPLAINED.format(tmp_path), "")


def test_each_bad_script_is_told_and_the_good_ones_are_explained(tmp_path, capsys, monkeypatch):
    (tmp_path / "a.talk").write_text("> x\nhello\n")
    (tmp_path / "b.txt").write_text("one\n")
    (tmp_path / "c.talk").write_text("> ${nobody}\n")
    status, out, err = check(capsys, monkeypatch, tmp_path / "none.talk", tmp_path)
    assert status == 3
    assert out == (
        f"{tmp_path}/b.txt: 1 message in 1 step\n  main\n"
        '       1  send "one" and CRLF\n       1  expect a line of anything, within 5s\n'
    )
    assert err == (
        f"{tmp_path}/none.talk: cannot be read: No such file or directory\n"
        f"{tmp_path}/a.talk:2:1: 'hello' is not a construct\n    hello\n    ^\n"
        f"{tmp_path}/c.talk:1:3: ${{nobody}} has no value here\n    > ${{nobody}}\n      ^\n"
    )


def test_a_script_whose_place_cannot_be_looked_at_is_told_as_any_that_cannot_be_read(
    tmp_path, capsys, monkeypatch
):
    path = tmp_path / f"{'x' * 300}.talk"
    assert check(capsys, monkeypatch, path) == (3, "", f"{path}: cannot be read: File name too long\n")


def test_a_terminal_obeys_nothing_of_a_script(tmp_path, capsys, monkeypatch):
    (tmp_path / "a.talk").write_text("== \x1b[31mred\n> a\x1b[31mb\n< \x1b]0;evil\a\u202e\xe9\n")
    (tmp_path / "b.talk").write_text("> a\n@values \x1b[31m.csv\n")
    status, out, err = check(capsys, monkeypatch, tmp_path)
    assert status == 3
    assert out == (
        f"{tmp_path}/a.talk: 1 message in 1 step\n  \\x1b[31mred\n"
        '       2  send "a\\x1b[31mb" and CRLF\n'
        '       3  expect the line "\\x1b]0;evil\\x07\\u202e\xe9", within 5s\n'
    )
    assert err == (
        f"{tmp_path}/b.talk:2:9: cannot read \\x1b[31m.csv: No such file or directory\n"
        "    @values \\x1b[31m.csv\n            ^\n"
    )


def test_what_is_no_line_is_explained_too(tmp_path, capsys, monkeypatch):
    (tmp_path / "a.talk").write_text(
        "@connect pass\n@ignore ^#\n@on ^PING (?P<n>.) > PONG ${n}\n> ${len:é}\n"
        "<| a: \n<|~ b$\n< 26B\n< ${n}B\n<...$\n"
    )
    assert check(capsys, monkeypatch, tmp_path / "a.talk")[1] == (
        f"{tmp_path}/a.talk: 1 message in 1 step\n"
        "          a connection a pass\n"
        "          pass over lines that match ^#\n"
        '          answer a line that matches ^PING (?P<n>.) with "PONG ${n}" and CRLF\n'
        "  main\n"
        '       4  send "${len:é}" and CRLF\n'
        '       5  expect "a: ", whether it ends a line or not, within 5s\n'
        "       6  read until what has come matches b$\n"
        "       7  read 26 bytes, whatever they are\n"
        "       8  read ${n} bytes, whatever they are\n"
        "       9  read until the server closes, whatever comes\n"
    )


def test_a_fault_connects_where_there_was_no_connection(tmp_path, capsys, monkeypatch):
    (tmp_path / "a.talk").write_text("!hold 2s\n!half-close\n< bye\n<$\n!reset\n== more\n> x\n")
    assert check(capsys, monkeypatch, tmp_path / "a.talk")[1] == (
        f"{tmp_path}/a.talk: 1 message in 2 steps\n"
        "  main\n"
        "          connect\n"
        "          keep silent for 2s\n"
        "          shut down sending\n"
        "          let the server speak first: --connect pass or user\n"
        '       3  expect the line "bye", within 5s\n'
        "       4  expect the server to close\n"
        "          close with a reset\n"
        "  more\n"
        '       7  send "x" and CRLF\n'
        "       7  expect a line of anything\n"
    )


def test_what_a_greeting_needs_is_told_where_the_script_lacks_it(tmp_path, capsys, monkeypatch):
    def told(first: str) -> list[str]:
        (tmp_path / "a.talk").write_text(f"{first}< hello\n")
        lines = check(capsys, monkeypatch, tmp_path / "a.talk")[1].splitlines()
        return [line.strip() for line in lines if "speak first" in line]

    assert told("@connect pass\n") == ["connect, and let the server speak first"]
    assert told("@connect message\n") == ["connect, and let the server speak first: --connect pass or user"]


def test_a_script_may_come_from_standard_input(capsys, monkeypatch):
    for given, told in (
        (b"> a\n", (0, "<stdin>: 1 message in 1 step\n", "")),
        (b"x", (3, "", "<stdin>:1:1: ")),
    ):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given)))
        status, out, err = check(capsys, monkeypatch, "-")
        assert (status, out[: len(told[1])], err[: len(told[2])]) == told
