"""`talk`: a person's prompt."""

from pathlib import Path

import click

from socketscope.addresses import Address
from socketscope.commands.options import TARGET, tls_context, warn
from socketscope.replay.play.talk import keep
from socketscope.replay.play.talk import talk as hold_talk
from socketscope.replay.play.targets import Target


@click.command()
@click.option("--target", type=TARGET, default="tcp://127.0.0.1:21567", help="URL of the server.")
@click.option("--ca", type=click.Path(path_type=Path), help="Certificates that vouch for a tls:// server.")
@click.option("--insecure", is_flag=True, help="Do not verify a tls:// server.")
@click.option("--keep", "is_kept", is_flag=True, help="Keep one connection, and show whatever comes.")
def talk(target: Address, ca: Path | None, insecure: bool, is_kept: bool) -> int:
    """Prompt for lines; each is sent on a connection of its own. An empty line ends."""
    server = Target(target, tls_context(target, ca, insecure))
    if not is_kept:
        hold_talk(server)
        return 0
    try:
        if keep(server):
            warn(f"{target} has closed the connection")
    except OSError as error:
        warn(f"{target}: {error.strerror or error}")
        return 1
    return 0
