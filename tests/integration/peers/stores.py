"""Stores and queues, which answer each command."""

import re
import sys

from .peer import Peer, Place, say


def _redis_counts(place: Place) -> dict[str, int]:
    # The question is itself counted, after it was answered.
    answer = place.ask(b"INFO commandstats\r\n", b"\r\n\r\n")
    return {name: int(calls) for name, calls in re.findall(r"cmdstat_(\S+):calls=(\d+)", answer)}


def _redis_client(place: Place) -> None:
    redis_cli = ("redis-cli", "-p", f"{place.port}")
    say(*redis_cli, "SET", "greeting", "hello")
    say(*redis_cli, "GET", "greeting")
    say(*redis_cli, "-x", "SET", "bytes", given=b"\xff\0x")
    say(*redis_cli, "GET", "bytes")
    say(*redis_cli, "INCR", "counter")
    say(*redis_cli, "RPUSH", "list", "a", "b", "c")
    say(*redis_cli, "LRANGE", "list", "0", "-1")
    say(*redis_cli, "GET", "absent")
    say(*redis_cli, "NOSUCH", ok=False)


def _memcached_counts(place: Place) -> dict[str, int]:
    answer = place.ask(b"stats\r\n", b"END\r\n")
    wanted = r"STAT (cmd_get|cmd_set|get_hits|get_misses|incr_hits|decr_hits|delete_hits|delete_misses) (\d+)"
    return {name: int(number) for name, number in re.findall(wanted, answer)}


def _memcached_client(place: Place) -> None:
    server = f"--servers=127.0.0.1:{place.port}"
    (place.folder / "greeting").write_text("hello\nthere\n")
    (place.folder / "bytes").write_bytes(bytes(range(256)))
    say("memccp", server, str(place.folder / "greeting"), str(place.folder / "bytes"))
    say("memccat", server, "greeting", "bytes")
    say("memcexist", server, "greeting")
    say("memcrm", server, "greeting")
    say("memcexist", server, "absent", ok=False)


def _beanstalkd_counts(place: Place) -> dict[str, int]:
    answer = place.ask(b"stats\r\n", b"\n\r\n")
    counts = {name: int(number) for name, number in re.findall(r"cmd-(\S+): (\d+)", answer) if number != "0"}
    del counts["stats"]
    return counts


def _beanstalkd_client(place: Place) -> None:
    program = (
        "import sys, greenstalk\n"
        "with greenstalk.Client(('127.0.0.1', int(sys.argv[1]))) as client:\n"
        "    number = client.put('hello')\n"
        "    job = client.reserve(timeout=5)\n"
        "    assert (job.id, job.body) == (number, 'hello')\n"
        "    client.delete(job)\n"
    )
    say(sys.executable, "-c", program, f"{place.port}")


def _gearman_counts(place: Place) -> dict[str, int]:
    # Nobody works: what was put is still there.
    answer = place.ask(b"status\r\n", b".\n")
    rows = [line.split("\t") for line in answer.splitlines()[:-1]]
    return {"functions": len(rows), "jobs": sum(int(row[1]) for row in rows)}


def _gearman_client(place: Place) -> None:
    gearadmin = ("gearadmin", "--host=127.0.0.1", f"--port={place.port}")
    say(*gearadmin, "--create-function=reverse")
    say(*gearadmin, "--server-version")
    say(*gearadmin, "--status")


PEERS = (
    Peer(
        name="redis",
        programs=("redis-server", "redis-cli"),
        start=lambda place: ["redis-server", "--port", f"{place.port}", "--bind", "127.0.0.1", "--save", ""],
        count=_redis_counts,
        a_pass={
            "ping": 1, "set": 1, "get": 2, "incrby": 1, "incr": 2, "rpush": 1, "lrange": 1, "echo": 1,
            "del": 1,
        },
        client=_redis_client,
    ),
    Peer(
        name="memcached",
        programs=("memcached", "memccp", "memccat", "memcrm", "memcexist"),
        start=lambda place: ["memcached", "-u", "root", "-l", "127.0.0.1", "-p", f"{place.port}", "-U", "0"],
        count=_memcached_counts,
        a_pass={
            "cmd_get": 3, "cmd_set": 3, "get_hits": 2, "get_misses": 1, "incr_hits": 1, "decr_hits": 1,
            "delete_hits": 2, "delete_misses": 1,
        },
        client=_memcached_client,
    ),
    Peer(
        name="beanstalkd",
        programs=("beanstalkd",),
        start=lambda place: ["beanstalkd", "-l", "127.0.0.1", "-p", f"{place.port}"],
        count=_beanstalkd_counts,
        a_pass={
            "put": 1, "peek": 1, "reserve-with-timeout": 3, "delete": 2, "use": 1, "watch": 1, "ignore": 1,
            "release": 1, "stats-job": 1,
        },
        client=_beanstalkd_client,
    ),
    Peer(
        name="gearman",
        programs=("gearmand", "gearadmin"),
        start=lambda place: [
            "gearmand", "--listen=127.0.0.1", f"--port={place.port}", "--user=root",
            "--log-file=stderr", f"--pid-file={place.folder}/pid",
        ],
        count=_gearman_counts,
        a_pass={"functions": 1, "jobs": 1},
        client=_gearman_client,
    ),
)  # fmt: skip
