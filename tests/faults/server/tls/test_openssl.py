"""What openssl finds of a TLS listener: protocols, ciphers, the chain."""

import re
import ssl
import subprocess

import pytest

from tests.faults.server.authority import Authority
from tests.faults.server.process import PATIENCE, ServerProcess

from .listener import EXPIRY, over_tls


def s_client(server: ServerProcess, *options: str, text: bytes = b"") -> tuple[int, str]:
    """Return the status of `openssl s_client` and what it says."""
    host, port = server.address("tls")
    found = subprocess.run(
        ["openssl", "s_client", "-connect", f"{host}:{port}", "-servername", "localhost", *options],
        input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE, check=False,
    )  # fmt: skip
    return found.returncode, found.stdout.decode(errors="replace")


WEAKEST = ("-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0")


@pytest.mark.parametrize(
    ("options", "protocol"),
    [
        (("-tls1", *WEAKEST), None),
        (("-tls1_1", *WEAKEST), None),
        (("-tls1_2",), "TLSv1.2"),
        (("-tls1_3",), "TLSv1.3"),
        (("-tls1_2", "-cipher", "eNULL:aNULL:@SECLEVEL=0"), None),
        (("-tls1_2", "-cipher", "kRSA:kDHE:@SECLEVEL=0"), None),
    ],
)
def test_protocols_and_ciphers_of_today_are_spoken_and_others_refused(authority, files, options, protocol):
    with over_tls(files) as server:
        status, said = s_client(server, *options, "-CAfile", str(authority.cert), "-verify_return_error")
        if protocol is None:
            assert status
            assert "alert" in said or "no protocols available" in said
        else:
            assert status == 0, said
            assert re.search(rf"^(New, |    Protocol  : ){protocol}", said, re.MULTILINE)
            assert "Secure Renegotiation IS supported" in said or protocol == "TLSv1.3"
            assert "Compression: NONE" in said
            # Of one connection: who gets the private key later reads nothing. OpenSSL 3.5 has other words.
            assert re.search(r"^((Server|Peer) Temp Key|Negotiated TLS1\.3 group): ", said, re.MULTILINE)


def test_the_chain_leads_from_the_certificate_to_who_is_trusted(tmp_path, authority):
    (tmp_path / "between").mkdir()
    between = Authority(tmp_path / "between", "between", authority)
    files = between.issue("localhost")
    with over_tls(files) as server:
        status, said = s_client(server, "-CAfile", str(authority.cert), "-verify_return_error", "-showcerts")
        assert status == 0, said
        assert said.count("BEGIN CERTIFICATE") == 2
        assert "Verify return code: 0 (ok)" in said
        shown = subprocess.run(
            ["openssl", "x509", "-noout", "-enddate"],
            input=said, text=True, capture_output=True, check=True,
        ).stdout.strip()  # fmt: skip
        assert server.metric(EXPIRY) == ssl.cert_time_to_seconds(shown.removeprefix("notAfter="))


def test_nobody_has_the_server_begin_anew(files):
    with over_tls(files, "--keep-alive") as server:
        host, port = server.address("tls")
        with subprocess.Popen(
            ["openssl", "s_client", "-connect", f"{host}:{port}", "-tls1_2"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as client:  # fmt: skip
            assert client.stdin is not None
            assert client.stdout is not None
            client.stdin.write(b"one\n")
            client.stdin.flush()
            while b"] one" not in (line := client.stdout.readline()):
                assert line, "it has not answered"
            # Of a line of its own, s_client asks for it.
            client.stdin.write(b"R\n")
            client.stdin.flush()
            said = client.stdout.read()
        assert b"RENEGOTIATING" in said
        assert b"no renegotiation" in said
        assert server.connections(1)[0]["exchanges"] == 1
        assert server.errors == b""
