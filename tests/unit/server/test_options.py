"""Options of the program that cannot be meant, and what is said of them in one line."""

import sys

import pytest

from server.cli import main

FREE = ("--listen", "tcp://127.0.0.1:0", "--metrics", "none")
SECURE = ("--listen", "tls://127.0.0.1:0", "--metrics", "none")


def refused(monkeypatch, capsys, *options):
    monkeypatch.setattr(sys, "argv", ["server", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert (ended.value.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert said.err.startswith("server: ")
    return said.err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--listen", "tcp://127.0.0.1:x"], "'127.0.0.1:x' is not HOST:PORT"),
        (["--listen", "http://127.0.0.1:1"], "it must start with one of tcp://, tls://"),
        (["--listen", "a b=tcp://127.0.0.1:1"], "'a b' is not a name for a listener"),
        ([*FREE, "--read-timeout", "0"], "--read-timeout"),
        ([*FREE, "--drain-timeout", "1" * 30], "--drain-timeout"),
        ([*FREE, "--max-line", "0"], "at least 1"),
        ([*FREE, "--max-line", "9999999999GiB"], "longer than any line can be"),
        ([*FREE, "--switch-interval", "11ms"], "'11ms' must be more than 0 and at most 10ms"),
        ([*FREE, "--switch-interval", "0"], "'0' must be more than 0 and at most 10ms"),
        ([*FREE, "--scheduling", "idle"], "'idle' is not one of 'batch', 'other'"),
        ([*FREE, "--threads", "none"], "'none' is not one of 'elastic', 'per-connection'"),
        ([*FREE, "--drain-grace", "none"], "--drain-grace"),
        ([*FREE, "--max-connections", "99999999"], "--max-connections 99999999 needs 100000031 file"),
        (SECURE, "a tls:// listener needs --tls-cert and --tls-key"),
        ([*SECURE, "--tls-cert", "x"], "a tls:// listener needs --tls-cert and --tls-key"),
        ([*SECURE, "--tls-cert", "", "--tls-key", "x"], "a tls:// listener needs --tls-cert and"),
        ([*FREE, "--tls-cert", "x", "--tls-key", "x"], "--tls-client-ca need a --listen with tls://"),
        ([*SECURE, "--tls-cert", "x", "--tls-key", "x", "--tls-client-ca", ""], "ca': '' is not a file"),
        ([*FREE, "--handler", "os"], "'os' is not MODULE:CLASS"),
        ([*FREE, "--handler", "os:path"], "'os:path' is not a request handler"),
        ([*FREE, "--handler", "nowhere:X"], "cannot load 'nowhere:X': ModuleNotFoundError: No module"),
        ([*FREE, "mo\nre"], r"unexpected extra argument (mo\nre)"),
    ],
)  # fmt: skip
def test_an_option_that_cannot_be_meant_is_refused(monkeypatch, capsys, options, told):
    assert told in refused(monkeypatch, capsys, *options)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('raise RuntimeError("first\\nsecond")', "RuntimeError: first"),
        ("def (", "SyntaxError: "),
        ("raise SystemExit(5)", "SystemExit: 5"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt\n"),
        ("class X(Exception):\n    __str__ = None\n\nraise X", "X: without a text: TypeError\n"),
        ('class X(BaseException): pass\nraise X("bye")', "X: bye\n"),
    ],
)
def test_a_handler_whose_module_raises_is_told_with_that(monkeypatch, capsys, tmp_path, text, told):
    (tmp_path / "broken.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    said = refused(monkeypatch, capsys, *FREE, "--handler", "broken:X")
    assert f"cannot load 'broken:X': {told}" in said


def test_help_names_what_an_option_takes_and_its_variable(monkeypatch, capsys):
    shown = []
    for option in ("--help", "-h"):
        monkeypatch.setattr(sys, "argv", ["server", option])
        with pytest.raises(SystemExit):
            main()
        shown.append(" ".join(capsys.readouterr().out.split()))
    assert shown[0] == shown[1]
    for told in (
        "--when-full refuse|queue ", "--read-timeout DURATION|none ", "--drain-delay DURATION ",
        "[default: 1024]", "[default: 10ms]", "[default: 1m]", "--read-timeout is SERVER_READ_TIMEOUT",
    ):  # fmt: skip
        assert told in shown[0]


@pytest.mark.parametrize(
    ("variable", "text", "told"),
    [
        ("SERVER_READ_TIMEOUT", "10sec", "is not a duration: write it like 500ms, 30s or 2m; or none"),
        ("SERVER_READ_TIMEOUT", "0", "at most 1e+09; none is no limit"),
        ("SERVER_KEEP_ALIVE", "maybe", "Invalid value for '--keep-alive': 'maybe' is not a valid boolean"),
        ("SERVER_TLS_CERT", "x", "--tls-client-ca need a --listen with tls://"),
        ("SERVER_LISTEN", " ", "--listen has no address"),
        ("SERVER_BACKLOG", "0", "Invalid value for '--backlog': '0' is not a whole number above 0"),
    ],
)
def test_of_a_mistake_in_the_environment_the_variable_is_named(monkeypatch, capsys, variable, text, told):
    monkeypatch.setenv(variable, text)
    said = refused(monkeypatch, capsys)
    assert told in said
    assert said.endswith(f" (set by {variable})\n")
