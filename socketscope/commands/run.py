"""`socketscope run`: somebody else's program, observed."""

import argparse
import os
import re
import shutil
import signal
import stat
import sys
from collections.abc import Sequence
from getopt import getopt
from pathlib import Path
from typing import Any, NoReturn

from socketscope.addresses import parse_host_port
from socketscope.binding import bind
from socketscope.launch.settings import LAUNCHED, PREFIX, SETTINGS, settings_of
from socketscope.limits import Limits
from socketscope.settings import in_flags, within_descriptors
from socketscope.stderr import say

CANNOT_START, USAGE, CANNOT_EXECUTE, NOT_FOUND = 1, 2, 126, 127
"""Exit statuses, the last two as in a shell. Any other is the program's."""

_SITE = str(Path(__file__).parents[1] / "launch" / "site")

_LIMIT = f"{PREFIX}_MAX_CONNECTIONS"

_MARK = 256
"""Bytes of a file's first line in which the kernel looks for its interpreter."""


def add_to(commands: Any) -> None:
    """Add the command to a command line's."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "run",
        usage="socketscope run [OPTION...] PROGRAM|-m MODULE [ARGUMENT...]",
        help="run a program, its socketserver servers observed",
        description="Run a program unchanged; what it and its children serve with socketserver is observed.",
        epilog="Arguments, input and output, signals and the exit status are the program's.",
        allow_abbrev=False,
    )
    for setting in SETTINGS:
        told = f"{setting.help} [{setting.default}; {setting.variable(PREFIX)}]".replace("%", "%%")
        parser.add_argument(setting.flag, dest=setting.name, metavar=setting.form, help=told)
    parser.add_argument("-m", dest="is_module", action="store_true", help="run a module, as python -m does")
    parser.add_argument(
        "program", metavar="PROGRAM [ARGUMENT...]", nargs=argparse.PARSER,
        help="a Python file, - for standard input, or a command: on the PATH, or an executable file",
    )  # fmt: skip
    parser.set_defaults(command=launch)


def parted(words: Sequence[str]) -> list[str]:
    """Return the command's words with `-mMODULE` split in two: Python takes it in one, argparse does not."""
    for at, word in enumerate(words):
        if word.startswith("-m"):
            return [*words[:at], *filter(None, ("-m", word[2:])), *words[at + 1 :]]
        before = words[at - 1] if at else ""
        if word in {"-", "--"} or not (
            word.startswith("-") or (before.startswith("--") and "=" not in before)
        ):
            break  # what follows is the program's
    return list(words)


def launch(given: argparse.Namespace) -> NoReturn:
    """Become the program."""
    environment = _environment(given)
    try:
        _check(environment)
    except ValueError as error:
        fail(_with_variable(in_flags(str(error)), given), USAGE)
    words = given.program[1:] if given.program[0] == "--" else given.program
    if given.is_module:
        command = [sys.executable, *_of_python(), "-m", *words]
    elif _is_for_python(Path(words[0])):
        command = [sys.executable, *_of_python(), *words]
    elif (found := shutil.which(words[0])) is not None:
        command = [found, *words[1:]]
    else:
        fail(f"no such file or command: {words[0]}", NOT_FOUND)
    before = environment.get("PYTHONPATH")
    if not before:
        environment["PYTHONPATH"] = _SITE
    elif _SITE not in before.split(os.pathsep):
        environment["PYTHONPATH"] = f"{_SITE}{os.pathsep}{before}"
    environment[LAUNCHED] = str(os.getpid())
    # Python ignores these two, and what is ignored stays so.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(command[0], command, environment)  # noqa: S606 - what it was told to run
    except OSError as error:
        fail(f"cannot execute {command[0]}: {error.strerror}", CANNOT_EXECUTE)


def _of_python() -> list[str]:
    """Return Python's own options, as in `python -u -m socketscope run`: they are meant for the program.

    Those that would keep it from loading our `sitecustomize` (`-E`, `-I`, `-S`) are left out.
    """
    given, _ = getopt(sys.orig_argv[1 : -len(sys.argv)], "bBcdEiImOPqRsStuvW:xX:", ["check-hash-based-pycs="])
    return [option + value for option, value in given if option[1] in "bBdiOPqsuvWX"]


def _with_variable(told: str, given: argparse.Namespace) -> str:
    """Return a message about an option, with the variable that has set it if it was not given."""
    for setting in SETTINGS:
        if getattr(given, setting.name) is None and re.match(rf"{setting.flag}(?![\w-])", told):
            return f"{told} (set by {setting.variable(PREFIX)})"
    return told


def _environment(given: argparse.Namespace) -> dict[str, str]:
    environment = dict(os.environ)
    for setting in SETTINGS:
        variable, asked = setting.variable(PREFIX), getattr(given, setting.name)
        if asked is not None:
            environment[variable] = asked
        elif not environment.get(variable):  # Compose passes an unset variable on as an empty one
            environment.pop(variable, None)
    return environment


def _check(environment: dict[str, str]) -> None:
    """Refuse what is wrong while one line can say so; lower a default that is too high.

    Raises:
        ValueError: An option or a variable is wrong.
    """
    values = settings_of(environment)
    metrics = values["metrics"]
    limits = Limits(**{name: value for name, value in values.items() if name in Limits.__slots__})
    try:
        most, told = within_descriptors(limits.max_connections, asked=_LIMIT in environment)
    except RuntimeError as error:
        fail(str(error), CANNOT_START)
    if told is not None:
        say("socketscope", told)
        environment[_LIMIT] = str(most)
    # Within a launched program, one of its processes has the port already.
    if metrics is not None and f"{PREFIX}_METRICS" in environment and LAUNCHED not in environment:
        try:
            for listener in bind(*parse_host_port(metrics)):
                listener.close()
        except OSError as error:
            fail(f"cannot serve metrics on {metrics}: {error.strerror or error}", CANNOT_START)


def _is_for_python(path: Path) -> bool:
    if str(path) == "-":
        return True  # standard input, as to Python
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            return (path / "__main__.py").is_file()
        if not os.access(path, os.X_OK):
            return True
        # An interpreter or a shell script is known by its beginning; so is a script that pip has installed.
        with path.open("rb") as file:
            first = file.readline(_MARK)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # Python tells why
    return not first.startswith(b"\x7fELF") and (not first.startswith(b"#!") or b"python" in first)


def fail(message: str, status: int) -> NoReturn:
    """End with a line that says why."""
    say("socketscope", message)
    sys.exit(status)
