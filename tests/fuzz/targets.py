"""What can be fuzzed."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from . import datagrams, handshakes, requests, scripts, streams

Play = Callable[[Any, Random], int]
"""Plays a case, given where; returns how many inputs that were."""


@dataclass(frozen=True)
class Target:
    """Something that is given inputs.

    Attributes:
        play: What plays a case.
        listen: Where a server for it listens, with `{folder}` for one that is there; empty if none is needed.
        options: Of that server.
        at_endpoint: Whether inputs go to its metrics endpoint.
    """

    play: Play
    listen: str = ""
    options: tuple[str, ...] = ()
    at_endpoint: bool = False


_TCP = "tcp://127.0.0.1:0"
_KEPT = ("--keep-alive", "--read-timeout", "3s", "--idle-timeout", "3s")

TARGETS = {
    "tcp": Target(streams.kept, _TCP, _KEPT),
    "one-shot": Target(streams.one_shot, _TCP, ("--read-timeout", "3s")),
    "unix": Target(streams.kept, "unix://{folder}/stream", _KEPT),
    "udp": Target(datagrams.udp, "udp://127.0.0.1:0"),
    "unixgram": Target(datagrams.unixgram, "unixgram://{folder}/datagrams"),
    "tls": Target(
        handshakes.tls,
        "tls://127.0.0.1:0",
        (*_KEPT, "--tls-cert", "{folder}/localhost.pem", "--tls-key", "{folder}/localhost.key"),
    ),
    "endpoint": Target(requests.http, _TCP, at_endpoint=True),
    "script": Target(scripts.script),
}
