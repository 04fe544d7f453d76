"""Consoles: servers that are told what to do by a person, behind a prompt or a password."""

import re
import socket

from .peer import PATIENCE, Peer, Place, say

_HAPROXY = """\
global
    stats socket {folder}/socket mode 600 level admin
defaults
    mode tcp
    timeout connect 1s
    timeout client 10s
    timeout server 10s
frontend web
    bind 127.0.0.1:{port}
    default_backend app
backend app
    server one 127.0.0.1:{port_beside}
"""

SECRET = "not told\n"

_SER2NET = """\
%YAML 1.1
---
admin:
  accepter: tcp,127.0.0.1,{port}
"""


def _haproxy_counts(place: Place) -> dict[str, int]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(str(place.folder / "socket"))
        connection.sendall(b"show info\n")
        answer = connection.makefile().read()
    # Who asks is one of them, and so is who waited for it to start.
    return {"connections": int(re.findall(r"CumConns: (\d+)", answer)[0]) - 2}


def _haproxy_client(place: Place) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(str(place.folder / "socket"))
        connection.sendall(b"prompt\n")
        for message in (b"show version\n", b"disable server app/one\n", b"nosuch\n", b"quit\n"):
            said = b""
            while not said.endswith(b"> "):
                said += connection.recv(65536)
            connection.sendall(message)
        assert not connection.recv(1)


def _varnish_client(place: Place) -> None:
    (place.folder / "secret").write_text(SECRET)
    varnishadm = ("varnishadm", "-T", f"127.0.0.1:{place.port}", "-S", f"{place.folder}/secret")
    say(*varnishadm, "ping")
    say(*varnishadm, "status")


def _ser2net_client(place: Place) -> None:
    with socket.create_connection(("127.0.0.1", place.port), timeout=PATIENCE) as connection:
        for message in ("version", "showport", "nosuch"):
            said = b""
            while not said.endswith(b"-> "):
                said += connection.recv(65536)
            connection.sendall(f"{message}\r".encode())


PEERS = (
    Peer(
        name="haproxy",
        programs=("haproxy",),
        start=lambda place: [
            "haproxy", "-db", "-f", str(place.write("haproxy.cfg", _HAPROXY.format_map(vars(place)))),
        ],
        count=_haproxy_counts,
        a_pass={"connections": 1},
        url="unix://{folder}/socket",
        client=_haproxy_client,
    ),
    Peer(
        name="varnish",
        programs=("varnishd", "varnishadm"),
        start=lambda place: [
            "varnishd", "-F", "-a", f"127.0.0.1:{place.port_beside}", "-T", f"127.0.0.1:{place.port}",
            "-S", str(place.write("secret", SECRET)), "-n", f"{place.folder}/work", "-j", "none",
            "-b", "none",
        ],
        count=lambda _: {},
        a_pass={},
        client=_varnish_client,
        secrets={"SECRET_1": "not known", "SECRET_2": "not known"},
        differs="200 277",
    ),
    Peer(
        name="ser2net",
        programs=("ser2net",),
        start=lambda place: [
            "ser2net", "-n", "-u", "-c", str(place.write("ser2net.yaml", _SER2NET.format_map(vars(place)))),
        ],
        count=lambda _: {},
        a_pass={},
        client=_ser2net_client,
    ),
)  # fmt: skip
