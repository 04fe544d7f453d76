"""`record`: a proxy that writes what it saw as scripts."""

from pathlib import Path

import click

from socketscope.addresses import Address, parse_url
from socketscope.commands.options import Parsed, parse_target, program, tls_context
from socketscope.replay.play.targets import DATAGRAMS
from socketscope.replay.record.folder import Folder
from socketscope.replay.record.recorder import Recorder, bound, describe, listen, remove
from socketscope.replay.signals import Noted


def _parse_listen(text: str) -> Address:
    return parse_url(text, ("tcp", "unix"))


def _parse_server(text: str) -> Address:
    address = parse_target(text)
    if address.scheme in DATAGRAMS:
        raise ValueError(
            f"{text!r} has no connections, so no conversations to record; tcp://, tls:// and unix:// have"
        )
    return address


@click.command()
@click.option("--listen", "listen_at", type=Parsed("url", _parse_listen), required=True,
              help="Where clients connect: a tcp:// or unix:// URL; port 0 picks a free one.",
              envvar="CLIENT_RECORD_LISTEN")  # fmt: skip
@click.option("--target", type=Parsed("url", _parse_server), required=True,
              help="The server: a tcp://, tls:// or unix:// URL.")  # fmt: skip
@click.option("--ca", type=click.Path(path_type=Path), help="Certificates that vouch for a tls:// server.")
@click.option("--insecure", is_flag=True, help="Do not verify a tls:// server.")
@click.argument("folder", type=click.Path(path_type=Path))
def record(listen_at: Address, target: Address, ca: Path | None, insecure: bool, folder: Path) -> int:
    """Write what clients and a server say to each other as scripts, one for each distinct conversation.

    Clients connect to --listen instead of to the server, and notice nothing. Ctrl-C ends the recording.
    """
    signals = Noted()
    tls = tls_context(target, ca, insecure)
    try:
        scripts = Folder(folder, f"recorded from {target}; play with --connect pass")
    except OSError as error:
        raise click.UsageError(f"cannot write scripts to {folder}: {describe(error)}") from error
    try:
        listeners = listen(listen_at)
    except OSError as error:
        raise click.UsageError(f"cannot listen on {listen_at}: {describe(error)}") from error
    recorder = Recorder(scripts, target, tls)
    click.echo(f"record: {bound(listeners, listen_at)} hands on to {target}; Ctrl-C ends", err=True)
    try:
        recorder.run(listeners, signals)
    finally:
        remove(listen_at)
    click.echo(f"conversations: {recorder.conversations}, scripts: {scripts.written}, in {folder}")
    if scripts.written:
        click.echo(f"replay: {program()} replay {folder} --target {target} --connect pass")
    return int(recorder.failed)
