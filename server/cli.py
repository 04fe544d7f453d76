"""The command line: every option, its environment variable and default."""

import os
import signal
import socketserver
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args

import click

from server import framing
from server.listeners import STREAMS, bind, parse_listen
from server.loading import load_handler
from server.service import TimestampDatagramHandler, TimestampHandler, configured
from socketscope import TLS, Limits, __version__, run
from socketscope.addresses import Address
from socketscope.commands.mistakes import complaint
from socketscope.commands.parsed import Parsed
from socketscope.commands.streams import discard_output
from socketscope.serve.options import Threads
from socketscope.settings import in_flags, limit_settings, parse_count, parse_metrics, within_descriptors
from socketscope.signals import STOP_SIGNALS
from socketscope.stderr import say
from socketscope.units import parse_duration, parse_size
from socketscope.views.lines.rendering import Form
from socketscope.views.log import LEVELS

LONGEST_SWITCH_INTERVAL = 0.01
"""Seconds. A thread that waits for the interpreter wakes once an interval, so thousands that wait at the same
time cost less the longer it is; but a handler that computes keeps all others waiting for as long."""

CANNOT_START = 1


def main() -> None:
    """Run the command line; an error that the user can fix is one line."""
    try:
        sys.exit(command.main(standalone_mode=False))
    except click.ClickException as error:
        say("server", complaint(error))
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(CANNOT_START)
    except OSError as error:  # in --help or --version: all other failures are told where they occur
        discard_output()
        _fail(f"cannot write to standard output: {error.strerror or error}")


def _load(handler: str, log_format: Form, log_level: str) -> type[socketserver.BaseRequestHandler]:
    try:
        return load_handler(handler, log_format, log_level)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--handler'") from error


def _one_shot(context: click.Context, option: click.Parameter, value: bool) -> bool:
    """Heed SERVER_KEEP_ALIVE: click has a variable only for the first name of a flag."""
    text = os.environ.get("SERVER_KEEP_ALIVE")
    if not text or context.get_parameter_source("one_shot") is not click.core.ParameterSource.DEFAULT:
        return value
    try:
        return not click.BOOL.convert(text, option, context)
    except click.BadParameter as error:
        told = f"{error.message} (set by SERVER_KEEP_ALIVE)"
        raise click.BadParameter(told, param_hint="'--keep-alive'") from error


def _line_size(text: str) -> int:
    if not (size := parse_size(text)):
        raise ValueError(f"{text!r} is too short for any line: it must be at least 1")
    if size >= sys.maxsize:  # one more is read at once
        raise ValueError(f"{text!r} is longer than any line can be")
    return size


def _switch_interval(text: str) -> float:
    if not 0 < (seconds := parse_duration(text)) <= LONGEST_SWITCH_INTERVAL:
        raise ValueError(f"{text!r} must be more than 0 and at most 10ms")
    return seconds


def _limit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command an option for each field of `Limits`."""
    for setting in reversed(limit_settings(program=True)):
        form = Parsed(setting.form, setting.parse)
        command = click.option(setting.flag, type=form, default=setting.default, help=setting.help)(command)
    return command


@click.command(
    context_settings={
        "auto_envvar_prefix": "SERVER",
        "help_option_names": ["-h", "--help"],
        "show_default": True,
        "max_content_width": 100,
    },
    epilog="Each option is a variable of the environment too: --read-timeout is SERVER_READ_TIMEOUT.",
)
@click.option(
    "--listen",
    "listeners",
    envvar="SERVER_LISTEN",
    type=Parsed("[NAME=]URL", parse_listen),
    multiple=True,
    default=["tcp://127.0.0.1:21567"],
    help="Where to listen: tcp://, tls:// or udp://HOST:PORT, unix:// or unixgram:///PATH. Port 0 picks a "
    "free one; an empty host is all addresses, and a name is each of its own. Repeatable.",
)
@click.option(
    "--tls-cert", metavar="FILE", help="The certificate of tls:// listeners and its chain, in PEM form."
)
@click.option("--tls-key", metavar="FILE", help="Its private key. SIGHUP reloads both.")
@click.option(
    "--tls-client-ca",
    metavar="FILE",
    help="Require clients to have a certificate by one of these authorities.",
)
@click.option(
    "--metrics",
    type=Parsed("HOST:PORT", parse_metrics),
    default="127.0.0.1:9464",
    help="Where to serve /metrics, /healthz and /readyz, or none.",
)
@click.option(
    "--handler",
    metavar="MODULE:CLASS",
    show_default="the timestamp service",
    help="The request handler; --keep-alive and --max-line are for the timestamp service alone.",
)
@click.option(
    "--one-shot/--keep-alive",
    default=True,
    callback=_one_shot,
    help="One line per connection, or any number.",
)
@_limit_options
@click.option(
    "--backlog",
    type=Parsed("NUMBER", parse_count),
    default=1024,
    help="Connections that may wait in the kernel.",
)
@click.option(
    "--max-line",
    type=Parsed("BYTES", _line_size),
    default=8192,
    help="Longest line, without its ending.",
)
@click.option(
    "--threads",
    type=click.Choice(get_args(Threads)),
    default="elastic",
    help="Pooled threads, or a new one for each connection.",
)
@click.option(
    "--switch-interval",
    type=Parsed("DURATION", _switch_interval),
    default="10ms",
    help="How often the interpreter switches threads; at most 10ms.",
)
@click.option(
    "--scheduling",
    type=click.Choice(["batch", "other"]),
    default="batch",
    help="Scheduling policy of the process: batch wakes threads later and keeps caches warm.",
)
@click.option("--log-format", type=click.Choice(["json", "console"]), default="json", help="Log format.")
@click.option("--log-level", type=click.Choice(LEVELS), default="info", help="Least severe level logged.")
@click.version_option(__version__, prog_name="server", allow_from_autoenv=False)
@click.pass_context
def command(  # noqa: PLR0913, PLR0917 - a parameter an option
    context: click.Context,
    /,
    listeners: list[tuple[str | None, Address]],
    tls_cert: str | None,
    tls_key: str | None,
    tls_client_ca: str | None,
    metrics: str | None,
    handler: str | None,
    one_shot: bool,
    backlog: int,
    max_line: int,
    threads: Threads,
    switch_interval: float,
    scheduling: Literal["batch", "other"],
    log_format: Form,
    log_level: str,
    **limits: Any,
) -> None:
    """Answer each line with the time and the line; count, time and log every connection."""
    if not listeners:  # a variable of blanks
        raise click.UsageError("--listen has no address")
    try:
        checked = Limits(**limits)
    except ValueError as error:
        raise click.UsageError(in_flags(str(error))) from error
    tls = _tls(listeners, tls_cert, tls_key, tls_client_ca)
    checked = replace(checked, max_connections=_within_descriptors(context, checked.max_connections))
    if sys.stdout is None:
        _fail("cannot write the log: standard output is closed")
    loaded = None if handler is None else _load(handler, log_format, log_level)
    of_streams = loaded or configured(TimestampHandler, max_line=max_line, keep_alive=not one_shot)
    of_datagrams = loaded or configured(TimestampDatagramHandler, max_line=max_line)
    backlog = _within_somaxconn(backlog)
    sys.setswitchinterval(switch_interval)
    if scheduling == "batch":
        # A sandbox may not know of it.
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    _leave_stops_to_run()
    servers: list[socketserver.BaseServer] = []
    with ExitStack() as undo:
        for name, address in listeners:
            try:
                kind = of_streams if address.scheme in STREAMS else of_datagrams
                bound = bind(
                    name, address, kind, backlog, threads, tls,
                    one_reply=one_shot and loaded is None, refusal=framing.FULL if loaded is None else b"",
                )  # fmt: skip
            except OSError as error:
                _fail(f"cannot listen on {address}: {error.strerror or error}")
            except ValueError as error:
                _fail(f"cannot start: {error}")
            servers += map(undo.enter_context, bound)
        undo.pop_all()
    try:
        status = run(*servers, metrics=metrics, log=log_format, log_level=log_level, limits=checked)
    except OSError as error:
        _fail(error.strerror or str(error))
    except RuntimeError as error:
        _fail(f"cannot start: {error}")
    sys.exit(status)


def _tls(
    listeners: list[tuple[str | None, Address]], cert: str | None, key: str | None, client_ca: str | None
) -> TLS | None:
    wanted = any(address.scheme == "tls" for _, address in listeners)
    if wanted and not (cert and key):
        raise click.UsageError("a tls:// listener needs --tls-cert and --tls-key")
    if client_ca == "":  # an empty shell variable must not let everybody in
        raise click.BadParameter("'' is not a file", param_hint="'--tls-client-ca'")
    if not wanted and (cert or key or client_ca):
        raise click.UsageError("--tls-cert, --tls-key and --tls-client-ca need a --listen with tls://")
    return None if cert is None else TLS(cert, key, client_ca)


def _leave_stops_to_run() -> None:
    """Keep a stop pending until `run` can handle it: clients may already be connecting."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    for number in STOP_SIGNALS:
        # A signal that comes after `run` has restored these asks for what is done already.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def _within_descriptors(context: click.Context, wanted: int) -> int:
    """Return the connection limit that RLIMIT_NOFILE has room for."""
    asked = context.get_parameter_source("max_connections") is not click.core.ParameterSource.DEFAULT
    try:
        most, told = within_descriptors(wanted, asked=asked)
    except RuntimeError as error:
        _fail(str(error))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if told is not None:
        say("server", told)
    return most


def _within_somaxconn(backlog: int) -> int:
    """Return the backlog that the kernel will grant."""
    with suppress(OSError, ValueError):
        granted = int(Path("/proc/sys/net/core/somaxconn").read_text(encoding="ascii"))
        if granted < backlog:
            say("server", f"--backlog is {granted}, not {backlog}: the kernel limits it (net.core.somaxconn)")
            return granted
    return backlog


def _fail(message: str) -> NoReturn:
    say("server", message)
    sys.exit(CANNOT_START)
