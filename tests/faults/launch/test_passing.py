"""What is the program's stays the program's: words, pipes, tracebacks, signals, exit status."""

import contextlib
import os
import signal
import socket
import sys
import zipfile

import pytest

from socketscope.commands.cli import main
from socketscope.launch.settings import PREFIX, SETTINGS
from tests.faults.launch.launched import RUN, ended, launched, wait_for
from tests.faults.server.process import few_descriptors

SEES = """\
import signal
import sys
print(sorted(sys.modules), sys.meta_path[-3:], 'sitecustomize' in sys.modules)
print(sys.argv, sys.path, __name__, __file__, sys.flags, sys.orig_argv)
print(sys.warnoptions, sys.stdout.encoding, sys.stdin.isatty(), sys.stdout.line_buffering)
print([(n, signal.getsignal(n)) for n in signal.valid_signals()])
print(signal.pthread_sigmask(signal.SIG_BLOCK, []))
sys.stdout.write(sys.stdin.read())
import socketserver
print(type(socketserver.__loader__), vars(socketserver.__loader__), flush=True)
sys.stdout.buffer.write(bytes(range(256)) * 999)
sys.stderr.write('e')
"""
ENDS = [
    "pass",
    "raise SystemExit(3)",
    "import sys; sys.exit('text')",
    "1 / 0",
    "import os; os._exit(7)",
    "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "import os, signal; os.kill(os.getpid(), signal.SIGINT)",
    "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "def (",
    "import nowhere",
    SEES,
]


@pytest.mark.parametrize("text", ENDS)
def test_a_program_that_serves_nothing_is_as_without(program, text):
    words = (program(text), "-x", "--metrics", "a b", "", "--", "-m", "--help")
    alone = ended(sys.executable, *words, stdin="what\ncomes in")
    assert ended(*RUN, *words, stdin="what\ncomes in") == alone


@pytest.mark.parametrize(
    "options", [["-u"], ["-tOOBb"], ["-W", "error"], ["-uXdev"], ["-s", "-E", "-Wignore"]]
)
def test_what_python_itself_was_told_is_for_the_program(program, options):
    path = program("import sys; print(sys.flags, sys.warnoptions, sys._xoptions, sys.stdout.write_through)")
    alone = ended(sys.executable, *(option for option in options if option != "-E"), path)
    assert ended(sys.executable, *options, *RUN[1:], path) == alone


def test_of_ours_it_sees_variables_and_a_finder_alone(program):
    path = program("import os, sys; print(sorted(os.environ), sys.meta_path)")
    _, alone, _ = ended(sys.executable, path)
    status, seen, errors = ended(*RUN, "--log", "json", path)
    assert (status, errors) == (0, "")
    for ours in ("'PYTHONPATH', ", "'SOCKETSCOPE_LAUNCHED', ", "'SOCKETSCOPE_LOG', "):
        seen = seen.replace(ours, "")
    assert seen.partition("[<sitecustomize")[0] == alone.partition("[<")[0]


def test_launched_twice_it_sees_what_it_sees_launched_once(program):
    path = program("import os, sys; print(os.environ['PYTHONPATH'], sys.path)")
    assert ended(*RUN, *RUN, path) == ended(*RUN, path)


def test_a_variable_that_is_empty_is_none(program):
    empty = dict.fromkeys((setting.variable(PREFIX) for setting in SETTINGS), "")
    path = program(f"import os; print([os.environ.get(variable) for variable in {list(empty)}])")
    words = (*RUN, "--metrics", "none", path)
    assert ended(*words, env=os.environ | empty) == ended(*words)


def test_a_default_that_the_descriptors_cannot_carry_is_lowered_with_a_word(program):
    path = program("import os; print(os.environ['SOCKETSCOPE_MAX_CONNECTIONS'])")
    scarce = {"preexec_fn": few_descriptors(100)}
    told = "socketscope: --max-connections is 68, not 1000: file descriptors are limited (ulimit -n)\n"
    assert ended(*RUN, path, **scarce) == (0, "68\n", told)
    assert ended(*RUN, "--max-connections", "68", path, **scarce) == (0, "68\n", "")
    assert ended(*RUN, "--max-connections", "69", path, **scarce)[0] == 2


@pytest.mark.parametrize("state", ["closed", "full"])
def test_a_word_that_standard_error_does_not_take_keeps_no_program_from_its_start(program, state):
    def warn_where_nobody_hears() -> None:
        few_descriptors(100)()
        if state == "full":
            os.dup2(os.open("/dev/full", os.O_WRONLY), 2)
        else:
            os.close(2)

    path = program("print('started')")
    assert ended(*RUN, "--metrics", "none", path, preexec_fn=warn_where_nobody_hears)[:2] == (0, "started\n")


@pytest.mark.parametrize(
    ("words", "status"), [(("/nowhere",), 127), (("--metrics", "1", "x"), 2), (("--nowhere",), 2)]
)
def test_what_standard_error_does_not_take_changes_no_exit_status(words, status):
    def fill() -> None:
        os.dup2(os.open("/dev/full", os.O_WRONLY), 2)

    assert ended(*RUN, *words, preexec_fn=fill)[0] == status


def test_a_module_has_its_words(program, tmp_path):
    program("import sys; print(sys.argv, __name__, __spec__.name)", "words.py")
    words = ("-m", "words", "-m", "--", "x")
    where = {"env": os.environ | {"PYTHONPATH": str(tmp_path)}}
    assert ended(*RUN, *words, **where) == ended(sys.executable, *words, **where)


@pytest.mark.parametrize("before", [(), ("--log", "none"), ("--log=none",)])
def test_a_module_may_be_named_in_one_word_as_to_python(program, tmp_path, before):
    program("import sys; print(sys.argv, __name__, __spec__.name)", "words.py")
    words = ("-mwords", "-mx", "--bind", "-m")
    where = {"env": os.environ | {"PYTHONPATH": str(tmp_path)}}
    assert ended(*RUN, *before, *words, **where) == ended(sys.executable, *words, **where)


@pytest.mark.parametrize("before", [(), ("--log", "none"), ("--log=none",), ("--",)])
def test_a_word_of_the_program_stays_one(program, before):
    words = (program("import sys; print(sys.argv)"), "-mx")
    assert ended(*RUN, *before, *words) == ended(sys.executable, *words)


def test_what_comes_after_two_dashes_is_the_program(program):
    path = program("import sys; print(sys.argv)")
    words = (path, "--", "--log", "x")
    assert ended(*RUN, "--", *words) == ended(*RUN, *words) == ended(sys.executable, *words)


def test_a_folder_with_a_main_program_is_for_python(program):
    path = program("import sys; print(sys.argv, sys.path[0])", "__main__.py").parent
    assert ended(*RUN, path, "x") == ended(sys.executable, path, "x") != (127, "", "")


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_a_program_may_come_from_standard_input_as_to_python(name):
    text = "import sys; print(sys.argv, __name__); sys.exit(4)"
    words = (name, "-mx", "--log")
    assert ended(*RUN, *words, stdin=text) == ended(sys.executable, *words, stdin=text)
    assert ended(*RUN, *words, stdin=text)[0] == 4


def test_an_empty_part_of_the_path_stays_the_current_folder(program, tmp_path):
    path = program("import sys; print(sys.path)")
    where = {"env": os.environ | {"PYTHONPATH": f":{tmp_path}"}}
    assert ended(*RUN, path, **where) == ended(sys.executable, path, **where)


def test_a_command_is_found_on_the_path(tmp_path):
    script = tmp_path / "greet"
    script.write_text('#!/bin/sh\necho "$0 $*"; exit 4\n')
    script.chmod(0o755)
    where = {"env": os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}}
    assert ended(*RUN, "greet", "-m", "you", **where) == (4, f"{script} -m you\n", "")


def test_a_file_that_is_no_python_is_executed_as_it_is(tmp_path):
    script = tmp_path / "start.sh"
    script.write_text('#!/bin/sh\necho "$0 $*"; exit 4\n')
    script.chmod(0o755)
    assert ended(*RUN, script, "-m", "you") == (4, f"{script} -m you\n", "")
    assert ended(*RUN, sys.executable, "-c", "print(1)") == (0, "1\n", "")


@pytest.mark.parametrize("first", ["", "#!/nowhere/bin/python3\n"])
def test_a_file_for_python_has_the_interpreter_of_the_command(program, first):
    path = program(f"{first}import sys; print(sys.executable)")
    path.chmod(0o755)
    assert ended(*RUN, path) == (0, f"{sys.executable}\n", "")


def test_a_pipe_that_nobody_reads_ends_a_command_as_ever():
    command = "seq 1000000 | head -1"
    assert ended(*RUN, "sh", "-c", command) == ended("sh", "-c", command) == (0, "1\n", "")


def test_a_command_ignores_no_signal_that_python_ignores():
    words = ("grep", "SigIgn", "/proc/self/status")
    assert ended(*RUN, *words) == ended(*words)


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("nowhere-to-be-found",), 127, "no such file or command: nowhere-to-be-found"),
        (("no\nwhere",), 127, r"no such file or command: no\nwhere"),
        ((), 2, "the following arguments are required: PROGRAM"),
        (("--colour", "x"), 2, "unrecognized arguments: --colour"),
        (("--co\nlour", "x"), 2, r"unrecognized arguments: --co\nlour"),
        (("--drain-delay", "1s", "x"), 2, "unrecognized arguments: --drain-delay"),
        (("--idle", "1s", "x"), 2, "unrecognized arguments: --idle"),
        (("--metrics", "9464", "x"), 2, "--metrics: '9464' is not HOST:PORT"),
        (("--metrics", "192.0.2.1:9464", "x"), 1, "cannot serve metrics on 192.0.2.1:9464: Cannot assign"),
        (("--log", "xml", "x"), 2, "--log: 'xml' is not one of none, json, console"),
        (("--threads", "many", "x"), 2, "--threads: 'many' is not one of elastic, per-connection"),
        (("--max-connections", "0", "x"), 2, "--max-connections: '0' is not a whole number above 0"),
        (("--max-connections", "99999999", "x"), 2, "--max-connections 99999999 needs 100000031 file"),
        (("--idle-timeout", "0", "x"), 2, "--idle-timeout is 0 s"),
        (("--idle-timeout", "5x", "x"), 2, "--idle-timeout: '5x' is not a duration"),
    ],
)
def test_a_mistake_is_told_in_one_line(capsys, words, status, told):
    assert refused(capsys, *words, status=status).startswith(f"socketscope: {told}")


def refused(capsys, *words, status):
    """Return the line that the command tells, in this process, where it starts no program."""
    with pytest.raises(SystemExit) as refusal:
        main(["run", *words])
    output, errors = capsys.readouterr()
    assert (refusal.value.code, output, errors.count("\n")) == (status, "", 1), errors
    return errors


@pytest.mark.parametrize(("text", "told"), [("5x", "; or none"), ("0", "; none is no limit")])
def test_of_a_mistake_in_the_environment_the_variable_is_named(capsys, monkeypatch, text, told):
    monkeypatch.setenv("SOCKETSCOPE_IDLE_TIMEOUT", text)
    errors = refused(capsys, "x", status=2)
    assert errors.startswith("socketscope: --idle-timeout")
    assert errors.endswith(f"{told} (set by SOCKETSCOPE_IDLE_TIMEOUT)\n")


def test_what_cannot_be_executed_is_told_in_one_line(tmp_path):
    script = tmp_path / "broken"
    script.write_text("#!/nowhere/at/all\n")
    script.chmod(0o755)
    where = {"env": os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}}
    status, _, errors = ended(*RUN, "broken", **where)
    assert (status, errors) == (126, f"socketscope: cannot execute {script}: No such file or directory\n")


def test_what_cannot_be_looked_at_is_told_by_python_in_one_line():
    name = "x" * 300
    status, output, errors = ended(*RUN, name)
    assert (status, output, errors.count("\n")) == (2, "", 1), errors
    assert errors.endswith(f"{name}': [Errno 36] File name too long\n")


def test_the_default_address_may_be_taken(program):
    with contextlib.ExitStack() as opened:
        with contextlib.suppress(OSError):  # it is taken already
            opened.enter_context(socket.create_server(("127.0.0.1", 9464)))
        assert ended(*RUN, program("print('started')")) == (0, "started\n", "")


def test_an_address_that_was_asked_for_and_is_taken_keeps_the_program_from_starting(program):
    path = program("print('started')")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        told = f"socketscope: cannot serve metrics on {address}: Address already in use\n"
        assert ended(*RUN, "--metrics", address, path) == (1, "", told)


def test_a_module_out_of_an_archive_is_loaded_as_ever(program, tmp_path):
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        archive.writestr("socketserver.py", "")
        archive.writestr("other.py", "found = 1")
    path = program(
        "import importlib.util, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "importlib.util.find_spec('socketserver')\n"
        "import other\n"
        "print(other.found)\n"
    )
    assert ended(*RUN, path, tmp_path / "some.zip") == (0, "1\n", "")


@pytest.mark.parametrize(
    "text",
    ["print('the own one'); import sys; sys.own = 1", "1 / 0", "import nowhere", "import socketserver"],
)
def test_the_environment_s_own_sitecustomize_is_as_without(program, tmp_path, text):
    program(text, "sitecustomize.py")
    path = program(
        "import sys; print(getattr(sys, 'own', 0), sys.path, sys.modules.get('sitecustomize'))", "main.py"
    )
    where = {"env": os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONUNBUFFERED": "1"}}
    # The command is run by Python, too; what that has printed would else be lost with its buffer.
    _, before, errors_before = ended(sys.executable, "-c", "", **where)
    status, output, errors = ended(sys.executable, path, **where)
    assert ended(*RUN, path, **where) == (status, before + output, errors_before + errors)


def test_a_signal_that_is_handled_is_the_program_s(program):
    path = program(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
        "print(1, flush=True)\n"
        "time.sleep(60)\n"
    )
    with launched(path) as running:
        running.port()
        running.process.send_signal(signal.SIGTERM)
        assert running.wait() == 5
        assert wait_for(running.output.text, "output") == "1\n"
        assert running.errors.text() == ""
