"""`check`: says what scripts do, or where they are wrong."""

from pathlib import Path

import click

from socketscope.commands.mistakes import BAD_SCRIPT
from socketscope.commands.options import PATH
from socketscope.excerpt import printable
from socketscope.replay.script.compiler import load_script, script_files
from socketscope.replay.script.errors import ScriptError
from socketscope.replay.script.explanation import explain


@click.command()
@click.argument("scripts", nargs=-1, required=True, type=PATH, metavar="SCRIPT...")
def check(scripts: tuple[Path, ...]) -> int:
    """Say what scripts do, or where they are wrong. - reads one from standard input."""
    wrong = False
    for path in scripts:
        try:
            files = script_files(path)
        except ScriptError as error:
            files, wrong = [], _tell(error)
        for file in files:
            # One wrong script does not keep the others from being checked.
            try:
                click.echo(printable(explain(load_script(file))))
            except ScriptError as error:
                wrong = _tell(error)
    return BAD_SCRIPT if wrong else 0


def _tell(error: ScriptError) -> bool:
    click.echo(printable(str(error)), err=True)
    return True
