"""Why a connection could not be made, or broke."""

import os
import ssl


def reason(error: BaseException) -> str:
    """Return what the system, or TLS, says of an error, and no more."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"the server's certificate does not hold: {error.verify_message}"
        case ssl.SSLEOFError():
            return "the server closed instead of speaking TLS"
        case ssl.SSLError(reason=str(said)):  # where OpenSSL has one
            return said.replace("_", " ").lower()
        case ssl.SSLError():
            return str(error)
        case OSError(errno=int(number)) if number > 0:
            # asyncio puts a text of its own in place of the system's; those of names are below 0.
            return os.strerror(number)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
