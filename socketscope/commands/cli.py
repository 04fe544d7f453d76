"""`socketscope COMMAND ...`."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from socketscope.commands import run
from socketscope.version import __version__

USAGE = 2


class Parser(argparse.ArgumentParser):
    """Tells a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        """End with the status of wrong usage."""
        self.exit(USAGE, f"socketscope: {message}\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = Parser(prog="socketscope", description="Servers of socketserver that can be seen into.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    run.add_to(commands)
    parsed = parser.parse_args(arguments)
    sys.exit(parsed.command(parsed))
