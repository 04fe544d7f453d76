import socket
from contextlib import closing
from typing import Any

import pytest


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Addresses by names of the test's own, which it fills in."""
    known: dict[str, list[str]] = {}
    look_up = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> list[Any]:
        return [found for each in known.get(host, [host]) for found in look_up(each, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


@pytest.fixture
def ipv6() -> str:
    """The loopback's address, where the machine has one."""
    try:
        with closing(socket.create_server(("::1", 0), family=socket.AF_INET6)):
            return "::1"
    except OSError:
        pytest.skip("there is no IPv6 here")
