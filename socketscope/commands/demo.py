"""`demo`: server, replay and `top` in one terminal."""

import click

from socketscope.replay.signals import Stopped, stoppable
from socketscope.replay.watch import demo as programs


@click.command()
def demo() -> int:
    """Start a server and a replay, and show what both measure.

    q or Ctrl-C ends it, and prints the replay's summary. It uses the server's default ports where they are
    free, else any others.
    """
    try:
        with stoppable():
            summary, status = programs.run()
            click.echo(summary, nl=False)
    except programs.CannotRun as error:
        raise click.ClickException(str(error)) from error
    except Stopped as stopped:
        return stopped.status
    return status
