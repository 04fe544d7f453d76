"""The web: bodies of known length and in chunks, in the clear and for those who have a certificate."""

import os

from .peer import Peer, Place, say

_NGINX = """\
daemon off;
user root;
worker_processes 1;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 512; }}
http {{
    access_log {folder}/log;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    root {folder};
    keepalive_requests 1000000;
    server {{
        listen 127.0.0.1:{port};
        location = /who.html {{ ssi on; }}
    }}
    server {{
        listen 127.0.0.1:{port_beside} ssl;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.key;
        ssl_client_certificate {folder}/ca.pem;
        ssl_verify_client on;
        location = /who {{ return 200 "$ssl_client_s_dn\\n"; }}
    }}
}}
"""

_CERTIFICATE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


def _start_nginx(place: Place) -> list[str]:
    for name, text in (
        ("hello.txt", "hello, world\n"),
        ("who.html", 'You are <!--# echo var="remote_addr" -->.\n'),
    ):
        # Each time it is started, they are the same files.
        os.utime(place.write(name, text), (0, 0))
    # The one signs the others.
    folder = str(place.folder)
    say("openssl", "req", "-x509", *_CERTIFICATE, "-subj", "/CN=Authority",
        "-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.pem")  # fmt: skip
    for name, more in (("server", ("-addext", "subjectAltName=IP:127.0.0.1")), ("client", ())):
        say("openssl", "req", "-x509", *_CERTIFICATE, "-subj", f"/CN={name}", *more,
            "-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key",
            "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem")  # fmt: skip
    configuration = place.write("nginx.conf", _NGINX.format_map(vars(place)))
    return ["nginx", "-p", folder, "-c", str(configuration)]


def _http_counts(place: Place) -> dict[str, int]:
    return place.count_lines("log", ok='" 200 ', absent='" 404 ')


def _http_client(place: Place) -> None:
    url = f"http://127.0.0.1:{place.port}"
    say("curl", "--silent", "--show-error", f"{url}/hello.txt", f"{url}/who.html")
    say("curl", "--silent", "--show-error", "--head", f"{url}/absent")


PEERS = (
    Peer(
        name="http",
        programs=("nginx", "openssl", "curl"),
        start=_start_nginx,
        count=_http_counts,
        a_pass={"ok": 3, "absent": 1},
        client=_http_client,
    ),
    Peer(
        name="https",
        programs=("nginx", "openssl"),
        start=_start_nginx,
        count=_http_counts,
        a_pass={"ok": 1, "absent": 0},
        url="tls://127.0.0.1:{port_beside}",
        options=("--ca", "{folder}/ca.pem", "--cert", "{folder}/client.pem", "--key", "{folder}/client.key"),
    ),
)
