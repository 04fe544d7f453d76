"""`socketscope COMMAND ...`."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from socketscope.commands import CONVERSATIONS, run
from socketscope.version import __version__


class Parser(argparse.ArgumentParser):
    """Reports a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        """End with the status of wrong usage."""
        run.fail(message, run.USAGE)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words and words[0] in CONVERSATIONS:
        _converse(words)
    parser = Parser(prog="socketscope", description="See into servers built on socketserver.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    run.add_to(commands)
    for name, purpose in CONVERSATIONS.items():
        commands.add_parser(name, help=purpose)
    parsed = parser.parse_args(["run", *run.parted(words[1:])] if words[:1] == ["run"] else words)
    sys.exit(parsed.command(parsed))


def _converse(words: Sequence[str]) -> NoReturn:
    # Before any slow import: a stop this early loses nothing, and needs no traceback.
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, _: os._exit(128 + number))
    try:
        from socketscope.commands import group  # noqa: PLC0415 - `run` works without it

        group.load(words[0])
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "socketscope":
            raise
        # 1 would say that an exchange failed.
        run.fail(f"{words[0]} needs {error.name}: pip install 'socketscope[client]' brings it", run.NOT_FOUND)
    group.main("socketscope", words)
