import errno
import ssl
import sys

import pytest

from socketscope.excerpt import MOST_TEXT
from socketscope.observe.outcomes import describe, is_gone, is_tls_fault
from tests.unit.socketscope.observed import observed_pair


def test_an_error_is_described_with_its_place():
    try:
        raise ValueError("bad\nline")
    except ValueError as error:
        text = describe(error)
    assert text.startswith("ValueError: bad\nline (")
    assert text.endswith("in test_an_error_is_described_with_its_place)")
    assert describe(KeyError()) == "KeyError"


def test_of_an_error_of_an_observed_socket_the_place_is_the_handlers():
    near, far, _ = observed_pair()
    near.close()
    with far, pytest.raises(OSError, match="Bad file descriptor") as raised:
        near.recv(1)
    assert describe(raised.value).endswith(f" in {sys._getframe().f_code.co_name})")


def test_an_error_whose_text_cannot_be_had_is_described():
    class TextlessError(Exception):
        def __str__(self):
            raise LookupError

    assert describe(TextlessError()) == "TextlessError: without a text: LookupError"


def test_what_a_client_chose_is_cut():
    assert len(describe(ValueError("x" * (1 << 20)))) < 2 * MOST_TEXT


@pytest.mark.parametrize(
    ("error", "gone"),
    [
        (ConnectionResetError(errno.ECONNRESET, "reset"), True),
        (BrokenPipeError(errno.EPIPE, "broken"), True),
        (OSError(errno.ETIMEDOUT, "the kernel gave up"), True),
        (ssl.SSLEOFError(8, "cut"), True),
        (TimeoutError("timed out"), False),
        (ConnectionResetError("raised by a handler, of no socket"), False),
        (BlockingIOError(errno.EAGAIN, "nothing yet"), False),
        (OSError(errno.EBADF, "closed here"), False),
        (ssl.SSLError(1, "no TLS"), False),
    ],
)
def test_whether_the_peer_is_gone_is_told_by_the_socket(error, gone):
    assert is_gone(error) is gone


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (ssl.SSLError(1, "wrong version number"), True),
        (ssl.SSLCertVerificationError(1, "unknown authority"), True),
        (ssl.SSLEOFError(8, "cut"), False),
        (ssl.SSLWantReadError(2, "nothing yet"), False),
        (ssl.SSLWantWriteError(3, "no room yet"), False),
        (ssl.SSLZeroReturnError(6, "the end"), False),
        (ConnectionResetError(errno.ECONNRESET, "reset"), False),
        (TimeoutError("timed out"), False),
    ],
)
def test_whether_what_came_is_no_tls_is_told_by_openssl(error, fault):
    assert is_tls_fault(error) is fault
