"""Option types that the commands share, and their warnings."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any

import click

from socketscope.addresses import Address, parse_host_port, parse_url
from socketscope.commands.parsed import Parsed
from socketscope.identity import load_chain
from socketscope.replay.wire.targets import SCHEMES, Target
from socketscope.units import parse_duration

_HIGHEST_RATE = 1e300
"""Passes a second; times the seconds of any run it still fits a float."""


def program() -> str:
    """Return what the user typed before the command's name."""
    return str(click.get_current_context().find_root().info_name)


def warn(message: str) -> None:
    """Print a warning on standard error."""
    click.echo(f"{program().split()[-1]}: {message}", err=True)


def parse_target(text: str) -> Address:
    """Return a target's address.

    Raises:
        ValueError: The text is not a URL of a known kind, or names no port.
    """
    address = parse_url(text, SCHEMES)
    if not address.path and not (address.host and address.port):
        raise ValueError(f"{text!r} needs a host and a port")
    return address


def positive_rate(text: str) -> float:
    """Return a rate a second.

    Raises:
        ValueError: The text is not a number above 0, or is above `_HIGHEST_RATE`.
    """
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= _HIGHEST_RATE:
        raise ValueError(f"{text!r} is not a number of passes a second above 0 and up to {_HIGHEST_RATE:g}")
    return rate


def show_certificate(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    """Show the other side the certificate of ``--cert`` and ``--key``.

    Raises:
        click.UsageError: A file cannot be read, or has other content.
    """
    files = {"--cert": cert} | ({} if key is None else {"--key": key})
    for option, file in files.items():
        try:
            file.read_bytes()
        except OSError as error:
            raise click.UsageError(f"{option} {file}: {error.strerror}") from error
    try:
        load_chain(context, cert, key or cert)
    except ValueError as error:
        given = " ".join(f"{option} {file}" for option, file in files.items())
        raise click.UsageError(f"{given}: {error}") from error


@dataclass(frozen=True, slots=True)
class TLSOptions:
    """How to speak to a ``tls://`` target."""

    ca: Path | None
    insecure: bool
    cert: Path | None = None
    key: Path | None = None
    server_name: str = ""

    def target(self, address: Address) -> Target:
        """Return the target.

        Raises:
            click.UsageError: The options contradict each other, or a file cannot be used.
        """
        if address.scheme != "tls":
            if self.ca is not None or self.insecure:
                raise click.UsageError("--ca and --insecure are for tls:// targets")
            if self.cert or self.key or self.server_name:
                raise click.UsageError("--cert, --key and --server-name are for tls:// targets")
            return Target(address)
        context = self._verifying()
        if self.cert is not None:
            show_certificate(context, self.cert, self.key)
        elif self.key is not None:
            raise click.UsageError("--key needs the --cert that it belongs to")
        if self.server_name:
            try:
                context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=self.server_name)
            except ValueError as error:
                raise click.UsageError(f"--server-name {self.server_name} is not a host name") from error
        return Target(address, context, self.server_name)

    def _verifying(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except ssl.SSLError as error:
            raise click.UsageError(f"--ca {self.ca}: no certificate in PEM form is in {self.ca}") from error
        except OSError as error:
            raise click.UsageError(f"--ca {self.ca}: {error.strerror}") from error
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def warn(self) -> None:
        """Warn of what is not verified; to be called once all options are known to be right."""
        if self.insecure:
            warn("--insecure: the server's certificate is not verified")


def _parse_path(text: str) -> Path:
    if not text:
        raise ValueError("an empty value, as from an unset variable, names no file")
    return Path(text)


PATH = Parsed("PATH", _parse_path)
"""A file or a folder; an empty value would be the current folder."""


def tls_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options about TLS, as its argument `tls`."""

    @wraps(command)
    def gathered(*arguments: Any, **given: Any) -> Any:
        tls = TLSOptions(**{field.name: given.pop(field.name) for field in fields(TLSOptions)})
        return command(*arguments, tls=tls, **given)

    for option in reversed(_TLS_OPTIONS):
        gathered = option(gathered)
    return gathered


CA = click.option("--ca", type=PATH, help="CA certificates to verify a tls:// server by.")
INSECURE = click.option("--insecure", is_flag=True, help="Do not verify a tls:// server's certificate.")
_TLS_OPTIONS = (
    CA,
    INSECURE,
    click.option("--cert", type=PATH, help="Certificate to show a tls:// server."),
    click.option("--key", type=PATH, help="Its private key, if in a file of its own."),
    click.option(
        "--server-name", default="", show_default=False,
        help="Name to ask a tls:// server for, and to verify, instead of the target's.",
    ),
)  # fmt: skip

DURATION = Parsed("DURATION", parse_duration)
TARGET = Parsed("URL", parse_target)
ENDPOINT = Parsed("HOST:PORT", parse_host_port)
RATE = Parsed("RATE", positive_rate)
