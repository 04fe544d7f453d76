"""Why a connection could not be made, or broke."""

import os
import ssl


def reason(error: BaseException) -> str:
    """Return the text that the system, or TLS, has for an error, and nothing else."""
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
            # asyncio replaces the system's text; the numbers of name resolution errors are below 0.
            return os.strerror(number)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
