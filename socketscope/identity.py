"""The certificate files of a TLS listener, which can be read again at any time."""

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn

_MISMATCHES = frozenset({"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"})
"""OpenSSL's reasons for a key that does not belong to the certificate."""

File = str | os.PathLike[str]


class Identity(NamedTuple):
    """What the files of a `TLS` held when they were read.

    Attributes:
        context: What connections are wrapped by.
        expiry: When the certificate expires, in seconds since 1970.
    """

    context: ssl.SSLContext
    expiry: float


@dataclass(frozen=True, slots=True)
class TLS:
    """Files in PEM form for a listener with TLS; all else is as in `ssl.create_default_context`.

    Attributes:
        cert: The server's certificate and, after it, the intermediate ones up to its authority's.
        key: The certificate's private key, not encrypted; None is the same file.
        client_ca: Certificate authorities; every client must have a certificate from one of them. None asks
            for no certificate.
    """

    cert: File
    key: File | None = None
    client_ca: File | None = None

    def read(self) -> Identity:
        """Read the files.

        Raises:
            ValueError: One of them cannot be read, or be used.
        """
        try:
            return self._read()
        except OSError as error:  # one was there a moment ago
            raise ValueError(f"cannot read {self.cert} and its key: {error.strerror or error}") from error

    def _read(self) -> Identity:
        key = self.cert if self.key is None else self.key
        for file in (self.cert, key, self.client_ca or key):
            if Path(file).is_fifo():  # reading it might block the start, or a SIGHUP, for ever
                raise ValueError(f"cannot read {file}: it is a pipe, and is read again later")
            try:
                Path(file).read_bytes()
            except OSError as error:
                raise ValueError(f"cannot read {file}: {error.strerror}") from error
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        # Some builds of Python leave this to the system's OpenSSL, which may allow what RFC 8996 forbids.
        context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
        context.options |= ssl.OP_NO_RENEGOTIATION  # a client could keep the server computing

        expiry = load_chain(context, self.cert, key)
        if self.client_ca is not None:
            try:
                context.load_verify_locations(self.client_ca)
            except ssl.SSLError as error:
                raise ValueError(f"no certificate in PEM form is in {self.client_ca}") from error
            context.verify_mode = ssl.CERT_REQUIRED
        return Identity(context, expiry)


def load_chain(context: ssl.SSLContext, cert: File, key: File) -> float:
    """Load a certificate into a context, and return when it expires, in seconds since 1970.

    Raises:
        ValueError: One of the files cannot be used.
        OSError: One of them cannot be read.
    """

    def refuse() -> NoReturn:
        # Else OpenSSL would ask the terminal, now or at a SIGHUP.
        raise ValueError(f"the private key in {key} is encrypted: decrypt it, by openssl pkey")

    expiry = _expiry(cert)
    try:
        context.load_cert_chain(cert, key, password=refuse)
    except ssl.SSLError as error:
        if error.reason in _MISMATCHES:
            raise ValueError(f"the private key in {key} is not that of {cert}") from error
        if error.reason is None:
            raise ValueError(f"no private key in PEM form is in {key}") from error
        raise ValueError(f"cannot use {cert} with {key}: {error.reason}") from error
    return expiry


def _expiry(cert: File) -> float:
    try:
        # The interpreter has no public name for this.
        decoded = ssl._ssl._test_decode_cert(cert)  # type: ignore[attr-defined]  # noqa: SLF001
    except ssl.SSLError as error:
        raise ValueError(f"no certificate in PEM form is in {cert}") from error
    return float(ssl.cert_time_to_seconds(decoded["notAfter"]))
