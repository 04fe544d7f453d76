"""The commands that need the extra `client`, as a click group, and how their errors are told."""

import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import click

from socketscope.commands import CONVERSATIONS
from socketscope.commands.mistakes import BAD_SCRIPT, CANNOT_WRITE, INTERNAL_ERROR, complaint
from socketscope.commands.streams import Unread, Unwritable, discard_output, guard_streams
from socketscope.excerpt import escaped, in_words, printable
from socketscope.replay.script.errors import ScriptError
from socketscope.replay.signals import interrupts
from socketscope.version import __version__


def main(program: str, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; an error that the user can fix is one line, or shows its place in a script.

    Args:
        program: What the user typed before the arguments, such as ``python -m client``.
        arguments: None is the process's.
    """
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] in command.commands:
        load(words[0])  # a signal may still end the process at once
    guard_streams()
    try:
        with interrupts():
            status = _run(program, arguments)
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    sys.exit(status)


def _run(program: str, arguments: Sequence[str] | None) -> int:
    name = program.rsplit(maxsplit=1)[-1]
    try:
        status: int = command.main(arguments, program, standalone_mode=False)
        sys.stdout.flush()
    except Unwritable as error:
        discard_output()
        if not isinstance(error, Unread):
            click.echo(f"{name}: cannot write to standard output: {error}", err=True)
        status = CANNOT_WRITE
    except ScriptError as error:
        click.echo(printable(str(error)), err=True)
        status = BAD_SCRIPT
    except click.ClickException as error:
        click.echo(f"{name}: {complaint(error)}", err=True)
        status = error.exit_code
    except click.Abort:
        status = 128 + signal.SIGINT
    except Exception as error:  # noqa: BLE001 - the last resort has a status of its own
        click.echo(f"{name}: internal error: {escaped(in_words(error))}", err=True)
        status = INTERNAL_ERROR
    return status


class _Group(click.Group):
    """Loads only the command that is asked for: loading all takes longer than a `check`."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        return load(cmd_name) if cmd_name in self.commands else None


def load(name: str) -> click.Command:
    """Return a command.

    Raises:
        ModuleNotFoundError: Something that it needs is not installed.
    """
    command: click.Command = getattr(import_module(f"socketscope.commands.{name}"), name)
    return command


@click.group(
    cls=_Group,
    commands=dict.fromkeys(CONVERSATIONS),  # by name alone
    invoke_without_command=True,  # so that its absence is told in a line
    subcommand_metavar="COMMAND [ARGS]...",
    context_settings={
        "auto_envvar_prefix": "CLIENT",
        "help_option_names": ["-h", "--help"],
        "show_default": True,
    },
)
@click.version_option(__version__, prog_name="client", allow_from_autoenv=False)
@click.pass_context
def command(context: click.Context) -> None:
    """Talk to line servers: at a prompt, or by scripted conversations as tests and load."""
    if context.invoked_subcommand is None:
        raise click.UsageError(f"a command is missing: one of {', '.join(command.commands)}")
