"""`record`: a proxy that writes what it sees as scripts."""

import asyncio
import re
import shlex
import ssl
from functools import partial
from pathlib import Path

import click

from socketscope.addresses import Address, parse_url
from socketscope.commands.options import (
    CA,
    INSECURE,
    PATH,
    TLSOptions,
    parse_target,
    program,
    show_certificate,
)
from socketscope.commands.parsed import Parsed, ParsedLine
from socketscope.replay.record.folder import Folder
from socketscope.replay.record.listening import bound, leads_to_itself, listen, remove
from socketscope.replay.record.recorder import Recorder
from socketscope.replay.record.secrets import Secrets
from socketscope.replay.script.errors import TextError
from socketscope.replay.script.expressions import compile_expression
from socketscope.replay.signals import Noted
from socketscope.replay.wire.reasons import reason
from socketscope.replay.wire.targets import DATAGRAMS


def _parse_expression(text: str) -> re.Pattern[bytes]:
    if not text:
        raise ValueError("an empty value, as from an unset variable, finds nothing")
    try:
        return compile_expression(text)
    except TextError as error:
        raise ValueError(f"{text!r}: {error}") from error


def _listening(address: Address, cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """Return the context for clients; None if they do not use TLS."""
    if address.scheme != "tls":
        if cert is not None or key is not None:
            raise click.UsageError("--cert and --key are for --listen tls://")
        return None
    if cert is None:
        raise click.UsageError("--listen tls:// needs --cert, and --key where that file has none")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    show_certificate(context, cert, key)
    return context


def _parse_server(text: str) -> Address:
    address = parse_target(text)
    if address.scheme in DATAGRAMS:
        raise ValueError(
            f"{text!r} has no connections, so no conversations to record; tcp://, tls:// and unix:// have"
        )
    return address


@click.command()
@click.option("--listen", "listen_at", required=True,
              type=Parsed("URL", partial(parse_url, schemes=("tcp", "tls", "unix"))),
              help="Where clients connect: a tcp://, tls:// or unix:// URL; port 0 picks a free one.",
              envvar="CLIENT_RECORD_LISTEN")  # fmt: skip
@click.option("--target", type=Parsed("URL", _parse_server), required=True,
              help="The server: a tcp://, tls:// or unix:// URL.")  # fmt: skip
@CA
@INSECURE
@click.option("--cert", type=PATH, help="Certificate to show clients of --listen tls://.")
@click.option("--key", type=PATH, help="Its private key, if in a file of its own.")
@click.option("--redact", type=ParsedLine("REGEX", _parse_expression), multiple=True,
              help="What else is a secret: the first group, or the whole match. Repeatable.")  # fmt: skip
@click.option("--pauses", is_flag=True, help="Keep how long the client waited after each reply.")
@click.argument("folder", type=PATH, metavar="FOLDER")
def record(  # noqa: PLR0913, PLR0917 - an option each
    listen_at: Address, target: Address, ca: Path | None, insecure: bool, cert: Path | None, key: Path | None,
    redact: tuple[re.Pattern[bytes], ...], pauses: bool, folder: Path,
) -> int:  # fmt: skip
    """Write what clients and a server say to each other as scripts.

    Each distinct conversation becomes one. Clients connect to --listen instead of the server, and notice no
    difference. Ctrl-C ends the recording. What follows AUTH, PASS or LOGIN is written as an environment
    variable, which a replay reads.
    """
    signals = Noted()
    if leads_to_itself(listen_at, target):
        raise click.UsageError(
            f"--target {target} is where --listen {listen_at} is: record would connect to itself"
        )
    tls = TLSOptions(ca, insecure)
    server = tls.target(target)
    shown = _listening(listen_at, cert, key)
    try:
        scripts = Folder(folder, f"recorded from {target}", with_pauses=pauses)
    except OSError as error:
        raise click.UsageError(f"cannot write scripts to {folder}: {reason(error)}") from error
    try:
        listeners = listen(listen_at)
    except OSError as error:
        raise click.UsageError(f"cannot listen on {listen_at}: {reason(error)}") from error
    secrets = Secrets(redact)
    recorder = Recorder(scripts, secrets, server)
    tls.warn()
    click.echo(f"record: {bound(listeners, listen_at)} forwards to {target}; Ctrl-C ends it", err=True)
    try:
        asyncio.run(recorder.run(listeners, shown, signals))
    finally:
        remove(listen_at)
    click.echo(f"conversations: {recorder.conversations}, scripts: {scripts.written}, in {folder}")
    if scripts.written:
        verified = ["--ca", str(ca)] if ca is not None else ["--insecure"] if insecure else []
        line = shlex.join(["replay", str(folder), "--target", str(target), *verified])
        click.echo(f"replay: {program()} {line}")
    if secrets.names:
        click.echo(f"secrets: {', '.join(secrets.names)}, which a replay takes from the environment")
    return int(recorder.failed)
