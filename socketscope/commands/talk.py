"""`talk`: a person's prompt."""

import click

from socketscope.addresses import Address
from socketscope.commands.options import TARGET, Tls, tls_options
from socketscope.replay.play.talk import talk as hold_talk


@click.command()
@click.option("--target", type=TARGET, default="tcp://127.0.0.1:21567", help="URL of the server.")
@tls_options
def talk(target: Address, tls: Tls) -> int:
    """Prompt for lines; each is sent on a connection of its own. An empty line ends."""
    hold_talk(tls.target(target))
    return 0
