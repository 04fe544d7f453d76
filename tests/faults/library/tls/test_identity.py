"""Files of a TLS listener that cannot be used are told in a line that says which, and why."""

import os
import socketserver
import ssl
import subprocess

import pytest
from prometheus_client import CollectorRegistry

from socketscope import TLS, ThreadingTCPServer, ThreadingUDPServer, observe


@pytest.fixture(scope="module")
def folder(tmp_path_factory, certificate):
    """Files of each kind."""
    folder = tmp_path_factory.mktemp("identity")
    text = certificate.read_text()
    key, cert = text.split("-----BEGIN CERTIFICATE-----")
    (folder / "both.pem").write_text(text)
    (folder / "cert.pem").write_text("-----BEGIN CERTIFICATE-----" + cert)
    (folder / "key.pem").write_text(key)
    (folder / "text.pem").write_text("hello\n")
    os.mkfifo(folder / "pipe.pem")
    for options, name in (
        (["genpkey", "-algorithm", "ed25519"], "other.pem"),
        (["pkey", "-in", str(certificate), "-aes256", "-passout", "pass:secret"], "encrypted.pem"),
    ):
        subprocess.run(["openssl", *options, "-out", str(folder / name)], check=True, capture_output=True)
    return folder


@pytest.mark.parametrize(
    ("cert", "key", "client_ca", "told"),
    [
        ("nowhere.pem", "key.pem", None, "cannot read {}/nowhere.pem: No such file or directory"),
        ("cert.pem", "nowhere.pem", None, "cannot read {}/nowhere.pem: No such file or directory"),
        ("cert.pem", "key.pem", "nowhere.pem", "cannot read {}/nowhere.pem: No such file or directory"),
        (".", "key.pem", None, "cannot read {}/.: Is a directory"),
        ("pipe.pem", "key.pem", None, "cannot read {}/pipe.pem: it is a pipe, and is read again later"),
        ("text.pem", "key.pem", None, "no certificate in PEM form is in {}/text.pem"),
        ("key.pem", "key.pem", None, "no certificate in PEM form is in {}/key.pem"),
        ("cert.pem", "text.pem", None, "no private key in PEM form is in {}/text.pem"),
        ("cert.pem", None, None, "no private key in PEM form is in {}/cert.pem"),
        ("cert.pem", "other.pem", None, "the private key in {0}/other.pem is not that of {0}/cert.pem"),
        (
            "cert.pem", "encrypted.pem", None,
            "the private key in {}/encrypted.pem is encrypted: decrypt it, by openssl pkey",
        ),
        ("cert.pem", "key.pem", "text.pem", "no certificate in PEM form is in {}/text.pem"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_told(folder, cert, key, client_ca, told):
    files = [None if name is None else f"{folder}/{name}" for name in (cert, key, client_ca)]
    with pytest.raises(ValueError, match=".") as raised:
        TLS(*files).read()
    assert str(raised.value) == told.format(folder)


def test_files_of_each_way_are_read(folder):
    for files in ((folder / "both.pem",), (folder / "cert.pem", folder / "key.pem")):
        context, expiry = TLS(*files).read()
        assert context.verify_mode == ssl.CERT_NONE
        assert context.minimum_version in {ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3}
        assert context.options & ssl.OP_NO_RENEGOTIATION
        assert expiry > 0
    context, _ = TLS(folder / "both.pem", client_ca=folder / "cert.pem").read()
    assert context.verify_mode == ssl.CERT_REQUIRED


def test_a_file_that_is_taken_away_while_it_is_read_is_told_too(folder, monkeypatch):
    def load(*_, **__):
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", load)
    with pytest.raises(ValueError, match=r"^cannot read .*both.pem and its key: No such file or directory$"):
        TLS(folder / "both.pem").read()


def test_what_is_no_tls_of_the_librarys_is_refused():
    with pytest.raises(TypeError, match=r"tls is 'x.pem': it must be socketscope.TLS\(...\)"):

        class Server(ThreadingTCPServer, tls="x.pem"):
            pass


def test_datagrams_have_none(folder):
    class Server(ThreadingUDPServer, tls=TLS(folder / "both.pem"), registry=CollectorRegistry()):
        pass

    with pytest.raises(ValueError, match="tls is for connections, and this server has datagrams"):
        Server(("127.0.0.1", 0), socketserver.BaseRequestHandler)


def test_a_bad_file_is_told_by_the_constructor_and_leaves_nothing_open(folder):
    class Server(ThreadingTCPServer, tls=TLS(folder / "text.pem"), registry=CollectorRegistry()):
        pass

    with pytest.raises(ValueError, match="no certificate in PEM form"):
        Server(("127.0.0.1", 0), socketserver.BaseRequestHandler)


def test_a_listener_that_is_wrapped_already_is_not_wrapped_again(folder, server_context):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        server.socket = server_context.wrap_socket(server.socket, server_side=True)
        kind = type(server)
        with pytest.raises(ValueError, match="the listener is wrapped for TLS already"):
            observe(server, tls=TLS(folder / "both.pem"), registry=CollectorRegistry())
        assert type(server) is kind
