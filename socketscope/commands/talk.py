"""`talk`: a person's prompt."""

from pathlib import Path

import click

from socketscope.addresses import Address
from socketscope.commands.options import TARGET, tls_context
from socketscope.replay.play.talk import talk as hold_talk
from socketscope.replay.play.targets import Target


@click.command()
@click.option("--target", type=TARGET, default="tcp://127.0.0.1:21567", help="URL of the server.")
@click.option("--ca", type=click.Path(path_type=Path), help="Certificates that vouch for a tls:// server.")
@click.option("--insecure", is_flag=True, help="Do not verify a tls:// server.")
def talk(target: Address, ca: Path | None, insecure: bool) -> int:
    """Prompt for lines; each is sent on a connection of its own. An empty line ends."""
    hold_talk(Target(target, tls_context(target, ca, insecure)))
    return 0
