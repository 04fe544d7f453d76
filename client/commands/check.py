"""`check`: says what scripts do, or where they are wrong."""

from pathlib import Path

import click

from client.exits import BAD_SCRIPT
from client.program import load
from client.script import ScriptError


@click.command()
@click.argument("scripts", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SCRIPT...")
def check(scripts: tuple[Path, ...]) -> int:
    """Parse scripts and say what they do, or where they are wrong."""
    wrong = False
    for path in scripts:
        try:
            for program in load(path):
                click.echo(
                    f"{program.file}: {len(program.actions)} actions, steps {', '.join(program.steps)}"
                )
        except ScriptError as error:
            click.echo(str(error), err=True)
            wrong = True
    return BAD_SCRIPT if wrong else 0
