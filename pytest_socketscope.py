"""A plug-in of pytest: a `.talk` is a test.

Its server is named by ``--talk-target``, or returned by a fixture ``talk_target``. Without either, no script
is collected. pytest imports this module at each start, whatever it runs: so it stands beside the package, and
imports that only when there is a script to play.
"""

import os
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from socketscope.replay.script.program import Program
    from socketscope.replay.wire.targets import Target

FIXTURE = "talk_target"
OPTION = "--talk-target"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option."""
    parser.getgroup("socketscope").addoption(
        OPTION,
        metavar="URL",
        help="Play each .talk script that is found as a test, against this server: tcp://, tls://, unix://, "
        f"udp:// or unixgram://. Without it they are tests where a fixture {FIXTURE} returns such a URL.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a wrong URL before anything is collected."""
    if (url := config.getoption(OPTION)) is not None:
        try:
            _target(url)
        except (ValueError, ModuleNotFoundError) as error:
            raise pytest.UsageError(f"{OPTION}: {_told(error)}") from error


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "Script | None":
    """Collect files that end in ``.talk``."""
    if file_path.suffix != ".talk":
        return None
    script: Script = Script.from_parent(parent, path=file_path)
    return script


class Script(pytest.Module):
    """A `.talk`: a module to pytest, as a text file of doctests is, so that fixtures of any scope fit."""

    obj: Any = None

    def collect(self) -> list[pytest.Item]:
        """Return its test, or as many as the fixture has parameters.

        Without a server there is none, unless the script was named on the command line.

        Raises:
            Script.CollectError: The script is wrong, or its server unknown.
        """
        url = self.config.getoption(OPTION)
        name = os.path.relpath(self.path, self.config.invocation_params.dir)

        def asked_for() -> None:
            _play(self.path, name, url)

        def by_fixture(talk_target: Any) -> None:
            _play(self.path, name, talk_target)

        test: Any = by_fixture if url is None else asked_for
        # pytest reports a test at the place of its code.
        test.__code__ = test.__code__.replace(co_filename=str(self.path), co_firstlineno=1)
        self.obj = SimpleNamespace(**{self.path.stem: test})
        tests = list(self._genfunctions(self.path.stem, test))
        if url is None and FIXTURE not in tests[0]._fixtureinfo.name2fixturedefs:  # noqa: SLF001 - no other way to ask
            if self.session.isinitpath(self.path):
                raise self.CollectError(
                    f"{self.path.name} needs a server: {OPTION} URL, or a fixture {FIXTURE}"
                )
            return []
        try:
            _load(self.path, name, defaultdict(str))  # a fixture may set the variables that it needs
        except (ModuleNotFoundError, ValueError) as error:
            raise self.CollectError(_told(error)) from error
        return [*tests]


def _load(path: Path, name: str, environment: Mapping[str, str]) -> "Program":
    """Read a script; `name` is what it is called, also if a fixture has changed the current folder.

    Raises:
        ModuleNotFoundError: Something that it needs is not installed.
        ValueError: It is wrong, or a variable is not set.
    """
    from socketscope.replay.script.compiler import load_script  # noqa: PLC0415 - see above
    from socketscope.replay.script.errors import ScriptError  # noqa: PLC0415

    try:
        return load_script(path, environment, name)
    except ScriptError as error:
        raise ValueError(str(error)) from error


def _told(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed: pip install 'socketscope[client]' brings it"
    return str(error)


def _play(script: Path, name: str, server: Any) -> None:
    """Play a script once, and fail with what `replay` shows of it."""
    __tracebackhide__ = True
    from socketscope.replay.measure.summary import summarize  # noqa: PLC0415
    from socketscope.replay.measure.thresholds import with_default  # noqa: PLC0415
    from socketscope.replay.play.player import misfit  # noqa: PLC0415
    from socketscope.replay.play.run import Plan, Run  # noqa: PLC0415
    from socketscope.replay.show.printout import failures  # noqa: PLC0415

    plan = Plan(users=1, loops=1, seed=time.time_ns())
    try:
        program = _load(script, name, os.environ)
    except ValueError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    try:
        target = _target(server)
    except ValueError as error:
        raise pytest.fail.Exception(f"{FIXTURE}: {error}", pytrace=False) from None
    if problem := misfit(program, None, target.address):
        pytest.fail(problem, pytrace=False)
    run = Run([program], target, plan)
    run.play()
    summary = summarize(
        run.ledger, target="", mode="", seed=plan.seed, seconds=run.seconds, target_rate=None,
        thresholds=with_default(()), with_connect=False, scripts={program.file: program.steps},
    )  # fmt: skip
    if summary.verdict != "pass":
        pytest.fail(failures(summary), pytrace=False)


def _target(server: Any) -> "Target":
    """Return the target that a URL names, or a pair of a URL and a TLS context.

    Raises:
        ValueError: The value is neither.
    """
    from socketscope.commands.options import parse_target  # noqa: PLC0415
    from socketscope.replay.wire.targets import Target  # noqa: PLC0415

    url, tls = server if isinstance(server, tuple) else (server, None)
    if not isinstance(url, str):
        raise ValueError(f"{url!r} is not a URL")  # noqa: TRY004 - as any other text that is none
    address = parse_target(url)
    if address.scheme == "tls" and tls is None:
        import ssl  # noqa: PLC0415

        tls = ssl.create_default_context()
    return Target(address, tls)
