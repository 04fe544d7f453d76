"""`talk`: a person's prompt."""

import click

from socketscope.addresses import Address
from socketscope.commands.options import TARGET, TLSOptions, tls_options, warn
from socketscope.replay.talk import keep
from socketscope.replay.talk import talk as hold_talk
from socketscope.replay.wire.reasons import reason


@click.command()
@click.option("--target", type=TARGET, default="tcp://127.0.0.1:21567", help="URL of the server.")
@click.option("--keep", "is_kept", is_flag=True, help="Keep one connection, and show whatever comes.")
@tls_options
def talk(target: Address, is_kept: bool, tls: TLSOptions) -> int:
    """Prompt for lines; each is sent on a connection of its own. An empty line ends."""
    server = tls.target(target)
    tls.warn()
    if not is_kept:
        hold_talk(server, lambda why: warn(f"{target}: {why}"))
        return 0
    try:
        if keep(server):
            warn(f"{target} has closed the connection")
    except OSError as error:
        warn(f"{target}: {reason(error)}")
        return 1
    return 0
