"""TLS of a listener: by files that the library was given, or by a context of the user's own."""

import socket
import ssl
from typing import Any

from socketscope.identity import TLS, Identity
from socketscope.observe.adoption import adopt
from socketscope.observe.record import Record


class Encryption:
    """What a listener's connections are wrapped by, and whether they need a handshake.

    Attributes:
        tls: The files, if the library is to wrap connections.
        on: Whether each connection needs a handshake, in the thread that serves.
    """

    def __init__(self, tls: TLS | None) -> None:
        self.tls = tls
        self.on = tls is not None
        self._identity: Identity | None = None

    @property
    def expiry(self) -> float | None:
        """When the certificate expires, in seconds since 1970, if that is known."""
        return None if self._identity is None else self._identity.expiry

    def prepare(self, listener: Any) -> None:
        """Read the files once; make a listener that the user has wrapped leave handshakes to other threads.

        Raises:
            ValueError: A file cannot be used, or this listener cannot have TLS, or has it already.
        """
        wrapped = isinstance(listener, ssl.SSLSocket)
        if self.tls is not None and self._identity is None:
            if getattr(listener, "type", None) == socket.SOCK_DGRAM:
                raise ValueError("tls is for connections, and this server has datagrams")
            if wrapped:
                raise ValueError("the listener is wrapped for TLS already: do that, or give tls, not both")
            self.read()
        if wrapped and getattr(listener, "do_handshake_on_connect", False):
            listener.do_handshake_on_connect = False
            self.on = True

    def read(self) -> None:
        """Read the files, for connections from now on.

        Raises:
            ValueError: One cannot be used; what was read before stays in use.
        """
        if self.tls is not None:
            self._identity = self.tls.read()

    def wrap(self, request: Any, record: Record) -> Any:
        """Return the TLS socket of a connection, which its record has from then on; a handshake follows.

        Raises:
            OSError: It failed; the record knows why.
        """
        if self._identity is not None:
            # The context is looked up once, as reading the files again replaces it.
            context = self._identity.context
            try:
                request = context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
            except OSError as error:
                record.lose(error)
                raise
            adopt(request, record)
        return request

    @staticmethod
    def greet(request: Any) -> None:
        """Do the handshake of a connection.

        Raises:
            OSError: It failed.
        """
        if isinstance(request, ssl.SSLSocket):
            request.do_handshake()
