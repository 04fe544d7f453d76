"""What an accept that failed is counted as: only for want of room does the loop pause."""

import errno
import os
import ssl

import pytest

from socketscope.serve import queue

GONE = (
    errno.ECONNRESET,
    errno.EPIPE,
    errno.ETIMEDOUT,
    errno.EHOSTUNREACH,
    errno.ECONNABORTED,
    errno.ENOTCONN,
)


@pytest.mark.parametrize("number", GONE, ids=errno.errorcode.get)
def test_a_peer_that_has_left_is_gone_and_no_want_of_room(number):
    assert queue.accept_error(OSError(number, os.strerror(number))) == "aborted"


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (OSError(errno.EMFILE, ""), "fd_limit"),
        (OSError(errno.ENOBUFS, ""), "no_buffers"),
        (OSError(errno.EPERM, ""), "other"),
        (ssl.SSLError(1, "no TLS"), "aborted"),
    ],
)
def test_the_others_are_as_they_are(error, counted):
    assert queue.accept_error(error) == counted
