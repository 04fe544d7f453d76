"""Options that cannot be meant."""

import os
import resource
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from socketscope.commands import CONVERSATIONS, cli
from socketscope.commands.group import main
from socketscope.commands.replay import SPARE_FILES
from socketscope.commands.top import parse_page
from tests.ports import free_port

ROOT = Path(__file__).parents[3]


def refused(capsys, *options, script="x.talk", target="tcp://127.0.0.1:1"):
    return refused_line(capsys, "replay", str(script), "--target", target, *options)


def refused_line(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        main("python -m client", words)
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "x.talk"
    path.write_text("> x\n")
    return path


@pytest.mark.parametrize(
    ("line", "status", "told"),
    [
        ("replay x.talk", 2, "client: Missing option '--target'.\n"),
        ("replay x.talk --target http://x:1", 2, "client: Invalid value for '--target': 'http://x:1' is"),
        ("replay no.talk --target tcp://x:1", 3, "no.talk: cannot be read: No such file or directory\n"),
        ("replay client/scripts --target tcp://x:1 --loops 1 --forever", 2, "client: --loops"),
        ("replay client/scripts --target tcp://x:1 --fail-on x", 2, "client: Invalid value"),
        ("replay client/scripts --target tcp://x:1 --strict-rate", 2, "client: --strict-rate needs"),
        ("replay client/scripts --target tcp://x:1 --insecure", 2, "client: --ca and --insecure are"),
        ("top x:1 --interval 0", 2, "client: Invalid value for '--interval': it must be more than 0"),
        ("talk mo\nre", 2, r"client: Got unexpected extra argument (mo\nre)"),
        ("check no.talk", 3, "no.talk: cannot be read: No such file or directory\n"),
        ("check n\no.talk", 3, "n\\no.talk: cannot be read: No such file or directory\n"),
        ("check client/scripts", 0, ""),
    ],
)
def test_what_a_user_did_wrong_is_one_line(monkeypatch, capsys, line, status, told):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as ended:
        main("python -m client", line.split(" "))
    said = capsys.readouterr().err
    assert ended.value.code == status
    assert said.startswith(told)
    assert said.count("\n") == bool(told)


def test_a_number_that_no_run_comes_to_is_refused(capsys):
    told = "client: Invalid value for '--loops': 99999999999999999999 is not in the range 1<=x<=1000000000.\n"
    assert refused(capsys, "--loops", "9" * 20) == told


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "inf", "1e308", "much"])
def test_a_rate_that_cannot_be_counted_is_refused(capsys, rate):
    told = f"'{rate}' is not a number of passes a second above 0 and up to 1e+300"
    assert refused(capsys, "--rate", rate) == f"client: Invalid value for '--rate': {told}\n"


def test_a_duration_of_nothing_is_refused_as_that(script, capsys):
    told = "client: --duration must be more than 0\n"
    assert refused(capsys, "--duration", "0", script=script) == told
    told = "client: --warmup is as long as the --duration, or longer; make it shorter\n"
    assert refused(capsys, "--duration", "1s", "--warmup", "1s", script=script) == told


def test_of_a_mistake_in_the_environment_the_variable_is_named(monkeypatch, capsys):
    monkeypatch.setenv("CLIENT_REPLAY_USERS", "many")
    assert refused(capsys) == (
        "client: Invalid value for '--users': 'many' is not a valid integer. (set by CLIENT_REPLAY_USERS)\n"
    )


def test_without_a_command_a_line_names_them(capsys):
    with pytest.raises(SystemExit) as ended:
        main("python -m client", [])
    told = "client: a command is missing: one of replay, talk, record, check, top, demo\n"
    assert (ended.value.code, capsys.readouterr()) == (2, ("", told))


def test_of_each_command_the_help_has_a_whole_sentence(capsys):
    with pytest.raises(SystemExit):
        main("python -m client", ["--help"])
    commands = capsys.readouterr().out.partition("Commands:\n")[2].splitlines()
    assert len(commands) == 6
    assert all(line.endswith(".") and not line.endswith("...") for line in commands)


@pytest.mark.parametrize("name", CONVERSATIONS)
@pytest.mark.parametrize(
    ("call", "typed"), [(partial(main, "python -m client"), "python -m client"), (cli.main, "socketscope")]
)
def test_help_and_errors_name_what_was_typed(monkeypatch, capsys, call, typed, name):
    monkeypatch.setenv("COLUMNS", "200")

    def said(option):
        with pytest.raises(SystemExit) as ended:
            call([name, option])
        return ended.value.code, *capsys.readouterr()

    status, shown, complaint = said("--help")
    assert (status, shown.split("\n")[0].partition(" [")[0], complaint) == (0, f"Usage: {typed} {name}", "")
    assert said("-h") == (status, shown, complaint)
    status, shown, complaint = said("--nonsense")
    assert (status, shown) == (2, "")
    assert complaint.startswith(f"{typed.split()[-1]}: No such option")


def test_gaps_of_no_schedule_are_refused(script, capsys):
    told = "client: --pacing poisson needs a --rate whose gaps it is about\n"
    assert refused(capsys, "--pacing", "poisson", script=script) == told
    assert refused(capsys, "--pacing", "poisson", "--loops", "2", script=script) == told


def test_what_is_not_served_cannot_linger(script, capsys):
    told = "client: --linger needs --metrics, which it is about\n"
    assert refused(capsys, "--linger", "1m", script=script) == told


@pytest.mark.parametrize(
    ("parameter", "line"),
    [
        ("'SCRIPT...'", ["check", ""]),
        ("'SCRIPT...'", ["replay", "", "--target", "tcp://x:1"]),
        ("'--report'", ["replay", "x.talk", "--target", "tcp://x:1", "--report", ""]),
        ("'--ca'", ["talk", "--target", "tls://x:1", "--ca", ""]),
        ("'FOLDER'", ["record", "--listen", "tcp://x:0", "--target", "tcp://x:1", ""]),
    ],
)
def test_an_unset_variable_is_not_the_folder_that_one_is_in(tmp_path, monkeypatch, capsys, parameter, line):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.talk").write_text("> x\n")
    told = "an empty value, as from an unset variable, names no file"
    assert refused_line(capsys, *line) == f"client: Invalid value for {parameter}: {told}\n"
    assert [file.name for file in tmp_path.iterdir()] == ["x.talk"]


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("", "an empty value, as from an unset variable, finds nothing"),
        ("a(", "'a(': not a regular expression: missing ), unterminated subpattern"),
        ("[[a]", "'[[a]': unclear regular expression: possible nested set"),
        ("a{99999999999}", "'a{99999999999}': not a regular expression: the repetition number is too large"),
        ("[ü]", "'[ü]': ü is 2 bytes, and a class has single ones"),
    ],
)
def test_what_finds_no_secret_is_refused(tmp_path, capsys, expression, told):
    words = ["record", "--listen", "tcp://x.invalid:0", "--target", "tcp://x:1", "--redact", expression]
    said = refused_line(capsys, *words, str(tmp_path))
    assert said == f"client: Invalid value for '--redact': {told}\n"


def test_what_is_not_verified_is_told_of_a_run_alone(script, capsys):
    for options, told in (
        (("--key", "key.pem"), "client: --key needs the --cert that it belongs to\n"),
        (("--report", "."), "client: --report . cannot be written: Is a directory\n"),
    ):
        said = refused(capsys, "--insecure", *options, script=script, target="tls://127.0.0.1:1")
        assert said == told


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("localhost:9464", "http://localhost:9464/metrics"),
        ("https://x:1/", "https://x:1/metrics"),
        ("https://[::1]:1//", "https://[::1]:1/metrics"),
        ("localhost:9464?name[]=up", "http://localhost:9464/metrics?name[]=up"),
        ("localhost:9464/?x", "http://localhost:9464/metrics?x"),
        ("http://x/pages/all", "http://x/pages/all"),
        ("http://x/of/mine?x", "http://x/of/mine?x"),
    ],
)
def test_of_a_page_of_metrics_host_and_port_are_enough_with_the_query_that_there_is(text, url):
    assert parse_page(text) == url


def test_a_folder_without_scripts_is_wrong_and_keeps_nobody_from_hearing_of_others(tmp_path, capsys):
    (folder := tmp_path / "none").mkdir()
    (script := tmp_path / "x.talk").write_text("> x\n")
    with pytest.raises(SystemExit) as ended:
        main("python -m client", ["check", str(folder), str(script)])
    said = capsys.readouterr()
    assert (ended.value.code, said.err) == (3, f"{folder}: no .talk or .txt script is in this folder\n")
    assert said.out.startswith(f"{script}: 1 message in 1 step\n")


def test_users_have_files_where_there_is_no_limit_to_them(script, monkeypatch, capsys):
    limits = [16, resource.RLIM_INFINITY]
    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: limits.__setitem__(slice(None), both))
    assert "--report" in refused(capsys, "--users", "1000", "--report", ".", script=script)
    assert limits == [1000 + SPARE_FILES, resource.RLIM_INFINITY]
    limits[:] = 10_000, 10_000
    assert "--report" in refused(capsys, "--users", "1000", "--report", ".", script=script)
    assert limits == [10_000, 10_000]
    limits[:] = 16, 1000
    told = f"client: --users 1000 needs {1000 + SPARE_FILES} open files; ulimit -n allows 1000\n"
    assert refused(capsys, "--users", "1000", script=script) == told


@pytest.mark.parametrize("report", ["/dev/stdout", "page.html", "-"])
def test_a_report_is_not_written_into_the_summary(tmp_path, report):
    script, page = tmp_path / "x.talk", tmp_path / "page.html"
    script.write_text("> x\n")
    report = report if report == "-" else tmp_path / report
    with page.open("w") as output:
        ended = subprocess.run(
            [sys.executable, "-m", "client", "replay", script, "--target", "tcp://127.0.0.1:1",
             "--report", report],
            check=False, cwd=ROOT, stdout=output, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    told = f"client: --report {report} cannot be written: the summary goes there\n"
    assert (ended.returncode, ended.stderr) == (2, told)
    assert page.read_text() == ""


def test_who_reads_the_report_from_a_pipe_has_the_page(tmp_path):
    script, pipe = tmp_path / "x.talk", tmp_path / "pipe"
    script.write_text("> x\n")
    os.mkfifo(pipe)
    words = ["replay", str(script), "--target", "tcp://127.0.0.1:1", "--report", str(pipe)]
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True) as reader:
        try:
            with pytest.raises(SystemExit) as ended:
                main("python -m client", words)
            assert ended.value.code == 4
            assert reader.communicate(timeout=20)[0].endswith("</html>\n")
        finally:
            reader.kill()


def test_who_waits_for_a_reader_of_the_report_has_the_summary(tmp_path):
    script, pipe = tmp_path / "x.talk", tmp_path / "pipe"
    script.write_text("> x\n")
    os.mkfifo(pipe)
    with subprocess.Popen(
        [sys.executable, "-m", "client", "replay", script, "--target", "tcp://127.0.0.1:1", "--report", pipe],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    ) as waiting:  # fmt: skip
        try:
            assert waiting.stdout is not None
            assert waiting.stdout.readline().startswith("FAIL: ")
        finally:
            waiting.kill()


@pytest.mark.parametrize(
    ("target", "options", "told"),
    [
        ("tls://localhost:1", ("--cert", "none.pem"), "--cert none.pem: No such file or directory"),
        ("tls://localhost:1", ("--key", "none.pem"), "--key needs the --cert that it belongs to"),
        (
            "tcp://localhost:1",
            ("--server-name", "x"),
            "--cert, --key and --server-name are for tls:// targets",
        ),
        *(
            ("tls://localhost:1", ("--server-name", name), f"--server-name {name} is not a host name")
            for name in ("a..b", ".localhost", "x" * 64)
        ),
    ],
)
def test_options_of_tls_that_do_not_fit_are_refused(script, capsys, target, options, told):
    assert refused(capsys, *options, script=script, target=target) == f"client: {told}\n"


@pytest.mark.parametrize(
    ("said", "target", "told"),
    [
        ("> a\n<$", "udp://127.0.0.1:1", "ends a connection, and udp://127.0.0.1:1 has none"),
        ("> a\n!half-close\n", "unixgram:///s", "ends a connection, and unixgram:///s has none"),
        ("> a\n!half-close\n", "tls://127.0.0.1:1", "has !half-close: TLS closes both directions at once"),
        (
            "< hello\n",
            "tcp://127.0.0.1:1",
            "expects the server to speak first: that needs --connect pass or user, or @connect in the script",
        ),
    ],
)
def test_a_script_that_does_not_fit_its_target_is_told_first(script, capsys, said, target, told):
    script.write_text(said)
    assert refused(capsys, script=script, target=target) == f"client: {script} {told}\n"


def record_refused(capsys, folder, listen="tcp://127.0.0.1:0", target="tcp://127.0.0.1:1"):
    return refused_line(capsys, "record", "--listen", listen, "--target", target, str(folder))


def test_an_address_that_is_taken_is_refused(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        told = record_refused(capsys, tmp_path, url)
    assert told == f"client: cannot listen on {url}: Address already in use\n"
    (tmp_path / "s").touch()
    told = record_refused(capsys, tmp_path / "f", f"unix://{tmp_path}/s")
    assert told == f"client: cannot listen on unix://{tmp_path}/s: Address already in use\n"
    assert (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("listen", "target"),
    [
        ("tcp://127.0.0.1:{0}", "tcp://127.0.0.1:{0}"),
        ("tcp://localhost:{0}", "tcp://127.0.0.1:{0}"),
        ("tcp://:{0}", "tcp://localhost:{0}"),
        ("tcp://*:{0}", "tcp://127.0.0.1:{0}"),
        ("tcp://0.0.0.0:{0}", "tcp://127.0.0.2:{0}"),
        ("tcp://127.0.0.1:{0}", "tcp://0.0.0.0:{0}"),
        ("tcp://[::1]:{0}", "tcp://[::]:{0}"),
        ("unix://{1}/s", "unix://{1}/./s"),
    ],
)
def test_what_would_connect_to_itself_is_refused(tmp_path, capsys, listen, target):
    port = free_port()
    listen, target = (url.format(port, tmp_path) for url in (listen, target))
    told = f"client: --target {target} is where --listen {listen} is: record would connect to itself\n"
    assert record_refused(capsys, tmp_path / "f", listen, target) == told


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path, capsys):
    (tmp_path / "file").touch()
    told = f"client: cannot write scripts to {tmp_path}/file: File exists\n"
    assert record_refused(capsys, tmp_path / "file") == told
    told = "client: cannot write scripts to /proc/scripts: No such file or directory\n"
    assert record_refused(capsys, "/proc/scripts") == told
    if os.geteuid():
        tmp_path.chmod(0o500)
        told = f"client: cannot write scripts to {tmp_path}: Permission denied\n"
        assert record_refused(capsys, tmp_path) == told


@pytest.mark.parametrize("target", ["udp://127.0.0.1:1", "unixgram:///s"])
def test_datagrams_are_not_recorded_and_that_is_told(tmp_path, capsys, target):
    assert record_refused(capsys, tmp_path, target=target) == (
        f"client: Invalid value for '--target': '{target}' has no connections, so no conversations to "
        "record; tcp://, tls:// and unix:// have\n"
    )
