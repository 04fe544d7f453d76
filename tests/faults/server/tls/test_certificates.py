"""Certificates: read again at a hangup with nobody the wiser, and asked for of clients."""

import re
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults.server.authority import Authority, put
from tests.faults.server.process import ServerProcess, wait_for

from .listener import EXPIRY, asked, over_tls, secured


def shown(server: ServerProcess, ca: Path | bytes) -> str:
    """Return the common name of the certificate that a server shows."""
    with secured(server, ca) as client:
        (found,) = re.findall(r"'commonName', '(\w+)'", str(client.getpeercert()["subject"]))  # type: ignore[index]
        return str(found)


def so_many(server: ServerProcess, event: str, count: int) -> list[dict[str, Any]]:
    """Return the lines of an event once there are so many."""
    wait_for(lambda: len(server.events(event)) >= count, f"{count} {event}")
    return server.events(event)


def test_files_are_read_again_at_a_hangup_and_a_bad_one_leaves_what_was(authority, files):
    later = authority.issue("later", days=30)
    with over_tls(files, "--keep-alive") as server, secured(server, authority.cert) as kept:
        before = server.metric(EXPIRY, listener="tls")
        assert 1.5 * 86400 < before - time.time() < 2.5 * 86400
        put(later, files)
        assert shown(server, authority.cert) == "localhost"
        server.signal(signal.SIGHUP)
        (line,) = wait_for(lambda: server.events("certificate_read"), "it is read")
        assert (line["listener"], line["level"]) == ("tls", "info")
        assert shown(server, authority.cert) == "later"
        ends = server.metric(EXPIRY)
        assert ends - before == pytest.approx(28 * 86400, abs=60)
        assert line["expiry"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends))
        files[1].write_bytes(authority.key.read_bytes())
        server.signal(signal.SIGHUP)
        (line,) = wait_for(lambda: server.events("certificate_kept"), "it is refused")
        assert (line["listener"], line["level"]) == ("tls", "warning")
        assert line["error"] == f"the private key in {files[1]} is not that of {files[0]}"
        assert shown(server, authority.cert) == "later"
        # Of none of this the one who was there all the time has noticed anything.
        kept.sendall(b"x\n")
        assert kept.recv(100).endswith(b"] x\n")
        assert server.events("drain_started") == []
        kept.close()
        assert server.stop() == 0
        assert server.errors == b""


def test_under_nohup_a_hangup_has_files_read_too(files):
    with over_tls(files, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as server:
        server.signal(signal.SIGHUP)
        wait_for(lambda: server.events("certificate_read"), "it is read")
        assert server.stop() == 0


def goes_on(answered: dict[str, int], faults: list[str]) -> None:
    """Wait until each of the counts has grown, or something went wrong."""
    seen = dict(answered)
    wait_for(lambda: faults or all(answered[each] > seen[each] for each in seen), "answers")


def test_certificates_change_under_load_and_nothing_is_lost(tmp_path, authority, files):
    (tmp_path / "next").mkdir()
    successor = Authority(tmp_path / "next")
    pairs = [successor.issue("even"), authority.issue("odd")]
    trusted = authority.cert.read_bytes() + successor.cert.read_bytes()
    faults: list[str] = []
    answered = {"message": 0, "kept": 0}
    ended = threading.Event()

    def play(kind: str) -> None:
        try:
            while not ended.is_set():
                with secured(server, trusted) as client:
                    for number in range(1 if kind == "message" else 50):
                        client.sendall(b"%d\n" % number)
                        reply = client.recv(100)
                        if not reply.endswith(b"] %d\n" % number):
                            faults.append(f"{kind}: {reply!r}")
                        answered[kind] += 1
        except Exception as error:  # noqa: BLE001 - told below
            faults.append(f"{kind}: {error!r}")

    # The one from before says nothing until the last change, however long a slow machine takes for them.
    with over_tls(files, "--keep-alive", "--read-timeout", "5m") as server:
        before = secured(server, trusted)
        clients = [threading.Thread(target=play, args=(kind,)) for kind in (*answered, *answered)]
        for client in clients:
            client.start()
        for turn in range(8):
            put(pairs[turn % 2], files)
            server.signal(signal.SIGHUP)
            so_many(server, "certificate_read", turn + 1)
            assert shown(server, trusted) == ("even", "odd")[turn % 2]
            goes_on(answered, faults)
        ended.set()
        for client in clients:
            client.join()
        assert faults == []
        before.sendall(b"x\n")
        assert before.recv(100).endswith(b"] x\n")
        before.close()
        assert server.stop() == 0
        assert {line["outcome"] for line in server.events("connection")} <= {"ok", "empty"}
        assert server.events("certificate_kept") == []


def told(server: ServerProcess, reason: str) -> dict[str, Any]:
    """Return the line of the connection that ended for this reason."""

    def found() -> list[dict[str, Any]]:
        return [line for line in server.events("connection") if reason in (line["error"] or "")]

    (line,) = wait_for(found, reason)
    return dict(line)


def test_a_client_needs_a_certificate_of_the_authority_that_is_asked_for(tmp_path, authority, files):
    (tmp_path / "clients").mkdir()
    clients = Authority(tmp_path / "clients")
    good, foreign = clients.issue("good", "client"), authority.issue("foreign", "client")
    with over_tls(files, "--tls-client-ca", str(clients.cert)) as server:
        assert asked(server, authority.cert, good).endswith(b"] x\n")
        for each, reason in ((None, "did not return a certificate"), (foreign, "certificate verify failed")):
            with pytest.raises(OSError):  # noqa: PT011 - the alert, or a reset that overtakes it
                asked(server, authority.cert, each)
            assert told(server, reason)["outcome"] == "tls_error"
        assert server.closed("tls_error") == 2
