"""Messages, which come unasked."""

import json
import socket
import urllib.request

from .peer import PATIENCE, Peer, Place, say

_NATS = """\
listen: 127.0.0.1:{port}
http: 127.0.0.1:{port_beside}
ping_interval: "1s"
"""

_NGIRCD = """\
[Global]
Name = irc.example.org
Info = a server under test
AdminInfo1 = nobody
Listen = 127.0.0.1
Ports = {port}
ServerUID = irc
ServerGID = irc
MotdPhrase = Welcome
PidFile =
[Limits]
MaxConnectionsIP = 0
MaxPenaltyTime = 0
[Options]
DNS = no
Ident = no
PAM = no
"""

_MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
log_dest file {folder}/log
log_type all
user root
"""


def _nats_counts(place: Place) -> dict[str, int]:
    with urllib.request.urlopen(f"http://127.0.0.1:{place.port_beside}/varz", timeout=PATIENCE) as answer:
        figures = json.load(answer)
    return {name: figures[name] for name in ("in_msgs", "out_msgs")}


def _nats_client(place: Place) -> None:
    with socket.create_connection(("127.0.0.1", place.port), timeout=PATIENCE) as connection:
        stream = connection.makefile("rwb", 0)
        stream.readline()
        stream.write(b'CONNECT {"verbose":false}\r\nSUB greetings 7\r\nPUB greetings 5\r\nhello\r\nPING\r\n')
        while stream.readline() != b"PONG\r\n":
            pass


def _irc_counts(place: Place) -> dict[str, int]:
    # Who waited for it to start is one of them, and so is who asks.
    answer = place.ask(b"NICK asks\r\nUSER asks 0 * :asks\r\n", b"End of MOTD command\r\n")
    return {"connections": int(answer.partition(" connections received")[0].rpartition("(")[2]) - 2}


def _irc_client(place: Place) -> None:
    with socket.create_connection(("127.0.0.1", place.port), timeout=PATIENCE) as connection:
        stream = connection.makefile("rwb", 0)

        def say_until(message: bytes, end: bytes) -> None:
            stream.write(message)
            while not (line := stream.readline()).rstrip().endswith(end):
                assert line

        say_until(b"NICK recorded\r\nUSER recorded 0 * :Recorded\r\n", b"End of MOTD command")
        say_until(b"JOIN #here\r\n", b"End of NAMES list")
        say_until(b"PRIVMSG recorded :hello\r\n", b"hello")
        say_until(b"QUIT :bye\r\n", b"")


def _mqtt_counts(place: Place) -> dict[str, int]:
    return place.count_lines(
        "log", connects="New client connected", publishes="Received PUBLISH ", pings="Received PINGREQ"
    )


def _mqtt_client(place: Place) -> None:
    to = ("-h", "127.0.0.1", "-p", f"{place.port}")
    say("mosquitto_pub", *to, "-i", "recorded", "-t", "greetings", "-m", "hello", "-q", "1", "-r")
    say("mosquitto_sub", *to, "-i", "recorded", "-t", "greetings", "-C", "1")


PEERS = (
    Peer(
        name="nats",
        programs=("nats-server",),
        start=lambda place: [
            "nats-server", "-c", str(place.write("nats.conf", _NATS.format_map(vars(place)))),
        ],
        count=_nats_counts,
        a_pass={"in_msgs": 1, "out_msgs": 1},
        client=_nats_client,
        differs="INFO ",
    ),
    Peer(
        name="irc",
        programs=("ngircd",),
        start=lambda place: [
            "ngircd", "-n", "-f", str(place.write("ngircd.conf", _NGIRCD.format_map(vars(place)))),
        ],
        count=_irc_counts,
        a_pass={"connections": 1},
        client=_irc_client,
    ),
    Peer(
        name="mqtt",
        programs=("mosquitto", "mosquitto_pub", "mosquitto_sub"),
        start=lambda place: [
            "mosquitto", "-c", str(place.write("mosquitto.conf", _MOSQUITTO.format_map(vars(place)))),
        ],
        count=_mqtt_counts,
        a_pass={"connects": 1, "publishes": 1, "pings": 1},
        client=_mqtt_client,
    ),
)  # fmt: skip
