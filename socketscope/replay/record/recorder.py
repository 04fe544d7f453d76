"""Records conversations: runs the proxy, and writes what it hears as scripts."""

import asyncio
import contextlib
import socket
import ssl
import time
from asyncio import StreamReader, StreamWriter
from typing import Any

import click

from socketscope.replay.record.conversation import Conversation
from socketscope.replay.record.correlation import correlated
from socketscope.replay.record.folder import Folder
from socketscope.replay.record.marks import marked
from socketscope.replay.record.proxy import connected, pass_on
from socketscope.replay.record.secrets import Secrets
from socketscope.replay.record.tape import CannotBeScriptError, Tape
from socketscope.replay.signals import LOOK, Noted
from socketscope.replay.wire.reasons import reason
from socketscope.replay.wire.targets import Target


class Recorder:
    """Writes the conversation of each connection when that ends, and reports it on standard error.

    Attributes:
        conversations: Number of ended connections on which something was said.
        failed: Whether a script could not be written.
    """

    def __init__(self, folder: Folder, secrets: Secrets, target: Target) -> None:
        self.conversations = 0
        self.failed = False
        self._folder = folder
        self._secrets = secrets
        self._target = target
        self._serving: set[asyncio.Task[None] | None] = set()
        self._last_fault = ""

    async def run(self, listeners: list[socket.socket], tls: ssl.SSLContext | None, signals: Noted) -> None:
        """Record until a signal; conversations in progress are written as far as they have come.

        Args:
            listeners: Where clients connect.
            tls: The context for clients that speak TLS.
            signals: What ends it.
        """
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self._tell_of_fault(context))
        servers = []
        if tls is not None:
            tls.sslobject_class = _WithClient
        for listener in listeners:
            start = asyncio.start_unix_server if listener.family == socket.AF_UNIX else asyncio.start_server
            servers.append(await start(self._serve, sock=listener, ssl=tls))
        # The loop's own signal handlers end with it, so a second Ctrl-C would cost the summary.
        while not signals.first:  # noqa: ASYNC110 - an event would miss a signal that comes right before the wait
            await asyncio.sleep(LOOK)
        # The end of the loop cancels what is in progress.
        for server in servers:
            server.close()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        # The loop has weak references to tasks, and asyncio's streams drop theirs when the client has gone.
        task = asyncio.current_task()
        self._serving.add(task)
        # The loop of Python 3.11 reports the cancellation of a connection as an error.
        with contextlib.suppress(asyncio.CancelledError):
            await self._record(reader, writer)
        self._serving.discard(task)

    async def _record(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            server = await connected(self._target)
        except (OSError, UnicodeError) as error:
            _tell(f"cannot connect to {self._target.address}: {reason(error)}")
            writer.transport.abort()
            return
        tape = Tape(time.monotonic())
        try:
            await pass_on(reader, writer, *server, tape)
        finally:
            self._ended(tape)

    def _ended(self, tape: Tape) -> None:
        self._last_fault = ""  # a connection could be served again
        try:
            conversation = tape.conversation()
            if conversation is None:
                return
            self.conversations += 1
            if (path := self._folder.add(written(conversation, self._secrets))) is not None:
                _tell(str(path))
        except CannotBeScriptError as error:
            self.conversations += 1
            _tell(f"conversation {self.conversations} is left out: {error}")
        except OSError as error:
            self.failed = True
            _tell(f"cannot write {error.filename}: {error.strerror}")

    def _tell_of_fault(self, context: dict[str, Any]) -> None:
        """Report a connection that the loop could not open."""
        error = context.get("exception")
        fault = context["message"] if error is None else f"a client is not served: {reason(error)}"
        # Without descriptors, asyncio tries to accept a hundred times a second.
        if fault != self._last_fault:
            _tell(fault)
        self._last_fault = fault


class _WithClient(ssl.SSLObject):
    """TLS with a client; it reports failed handshakes, as asyncio does not."""

    def do_handshake(self) -> None:
        """Continue the handshake; report its failure."""
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            _tell(f"a client is not served: {reason(error)}")
            raise


def written(conversation: Conversation, secrets: Secrets) -> Conversation:
    """Return a conversation as it is written: secrets masked, and tokens that go back as variables."""
    masked, masked_lines = secrets.marks(conversation)
    tokens, token_lines = correlated(conversation, masked)
    # A token that goes back must be captured where it came, even if something else is masked there.
    lines = {
        number: [*token_lines.get(number, ()), *masked_lines.get(number, ())]
        for number in masked_lines.keys() | token_lines.keys()
    }
    return marked(conversation, [*masked, *tokens], lines)


def _tell(text: str) -> None:
    click.echo(f"record: {text}", err=True)
