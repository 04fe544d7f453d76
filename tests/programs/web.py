"""Programs that speak HTTP."""

import base64
import contextlib
import hashlib
import http.client
import logging
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

from tests.programs.program import Made, Program, plain

BODY = bytes(range(256)) * 1024


def ask(address: tuple[str, int], method: str, path: str, body: bytes | None = None, **headers: str) -> Any:
    """Return status, type and a digest of what a server answers."""
    connection = http.client.HTTPConnection(*address, timeout=10)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(method, path, body, names)
        answer = connection.getresponse()
        data = answer.read()
    except http.client.HTTPException as error:
        return (type(error).__name__,)
    finally:
        connection.close()
    return answer.status, answer.getheader("Content-Type"), len(data), hashlib.sha256(data).hexdigest()[:8]


def site() -> str:
    """Return a folder with two files."""
    folder = Path(tempfile.gettempdir(), f"site-{os.getpid()}")
    folder.mkdir(exist_ok=True)
    (folder / "index.html").write_text("<p>hello</p>")
    (folder / "large.bin").write_bytes(BODY)
    return str(folder)


def ask_site(address: tuple[str, int], number: int) -> Any:
    paths = "/index.html", "/large.bin", f"/nothing-{number}"
    return [ask(address, "GET", path)[:3] for path in paths], ask(address, "HEAD", "/large.bin")


def make_flask() -> Made:
    import flask
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").disabled = True
    application = flask.Flask("trial")

    @application.route("/echo", methods=["POST"])
    def echo() -> bytes:
        return flask.request.get_data()

    @application.route("/stream")
    def stream() -> flask.Response:
        return flask.Response(f"part {number}\n" for number in range(1000))

    @application.route("/wrong")
    def wrong() -> str:
        raise ValueError("of the application's own")

    return plain(make_server("127.0.0.1", 0, application, threaded=True))


def ask_flask(address: tuple[str, int], number: int) -> Any:
    import requests

    url = f"http://127.0.0.1:{address[1]}"
    with requests.Session() as session:
        return (
            session.post(f"{url}/echo", data=BODY[number:]).content == BODY[number:],
            len(session.get(f"{url}/stream").text),
            session.get(f"{url}/wrong").status_code,
            session.get(f"{url}/nothing").status_code,
        )


def make_django() -> Made:
    import django
    from django.conf import settings
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.urls import path
    from django.views.decorators.csrf import csrf_exempt

    if not settings.configured:
        settings.configure(
            ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="trial", LOGGING_CONFIG=None
        )
        django.setup()
        logging.disable()
        urlpatterns.append(path("echo", csrf_exempt(lambda request: HttpResponse(request.body))))
    server = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
    server.set_app(get_wsgi_application())
    return plain(server)


urlpatterns: list[Any] = []


def ask_echo(address: tuple[str, int], number: int) -> Any:
    """Post to a server, on a connection that is kept where it keeps one."""
    connection = http.client.HTTPConnection(*address, timeout=10)
    answers = []
    for _ in range(3):
        connection.request("POST", "/echo", BODY[number:])
        answer = connection.getresponse()
        answers.append((answer.status, answer.read() == BODY[number:]))
    connection.close()
    return answers, ask(address, "GET", "/nothing")[0]


def _posted() -> bytes:
    import bottle

    return bottle.request.body.read()


def make_bottle() -> Made:
    import bottle

    application = bottle.Bottle()
    application.post("/echo", callback=_posted)
    made: list[Any] = []

    class Adapter(bottle.WSGIRefServer):
        def run(self, app: Any) -> None:
            from wsgiref.simple_server import WSGIRequestHandler, make_server

            class Handler(WSGIRequestHandler):
                def log_request(self, *args: Any, **options: Any) -> None:
                    pass

            made.append(make_server(self.host, self.port, app, handler_class=Handler))

    bottle.run(application, server=Adapter, host="127.0.0.1", port=0, quiet=True)
    return plain(made[0])


def make_pytest_httpserver() -> Made:
    from pytest_httpserver import HTTPServer

    logging.getLogger("werkzeug").disabled = True
    server = HTTPServer(threaded=True)
    server.expect_request("/echo", method="POST").respond_with_handler(
        lambda request: _response(request.data)
    )
    server.start()
    return Made(server.server, lambda: None, server.stop)


def _response(data: bytes) -> Any:
    from werkzeug import Response

    return Response(data)


def make_mkdocs() -> Made:
    from mkdocs.livereload import LiveReloadServer

    logging.getLogger("mkdocs").disabled = True
    server = LiveReloadServer(lambda: None, "127.0.0.1", 0, site(), shutdown_delay=0.05)
    server.server_bind()
    server.server_activate()
    return Made(
        server, server.serve_thread.start, lambda: server.shutdown(wait=False) or server.serve_thread.join()
    )


def make_pelican() -> Made:
    from pelican.server import ComplexHTTPRequestHandler, RootedHTTPServer

    logging.getLogger("pelican").disabled = True
    return plain(RootedHTTPServer(site(), ("127.0.0.1", 0), ComplexHTTPRequestHandler))


def make_uploadserver() -> Made:
    import argparse
    import functools
    import http.server

    import uploadserver

    site()
    uploadserver.args = argparse.Namespace(
        port=0, cgi=False, allow_replace=True, bind="127.0.0.1", directory=site(), theme="auto",
        server_certificate=None, client_certificate=None, basic_auth=None, basic_auth_upload=None,
    )  # fmt: skip
    uploadserver.SimpleHTTPRequestHandler.log_message = lambda *_: None

    # As its serve_forever makes it, which does not return.
    class DualStackServer(http.server.ThreadingHTTPServer):
        pass

    handler = functools.partial(uploadserver.SimpleHTTPRequestHandler, directory=site())
    return plain(DualStackServer(("127.0.0.1", 0), handler))


def ask_uploadserver(address: tuple[str, int], number: int) -> Any:
    import requests

    url = f"http://127.0.0.1:{address[1]}"
    name = f"upload-{number}"
    posted = requests.post(f"{url}/upload", files={"files": (name, BODY[number:])}).status_code
    return posted, requests.get(f"{url}/{name}").content == BODY[number:], ask(address, "GET", "/index.html")


def make_radicale() -> Made:
    import shutil
    import socket

    import radicale.server
    from radicale import config

    logging.getLogger("radicale").disabled = True
    folder = Path(tempfile.gettempdir(), f"radicale-{os.getpid()}")
    shutil.rmtree(folder, ignore_errors=True)
    with socket.create_server(("127.0.0.1", 0)) as free:  # it takes no 0
        port = free.getsockname()[1]
    settings = config.load()
    settings.update(
        {
            "server": {"hosts": f"127.0.0.1:{port}"},
            "storage": {"filesystem_folder": str(folder)},
            "auth": {"type": "none"},
            "rights": {"type": "authenticated"},
        },
        "trial",
        privileged=True,
    )
    made: list[Any] = []
    ready, begin = threading.Event(), threading.Event()

    class Server(radicale.server.ParallelHTTPServer):
        def set_app(self, application: Any) -> None:
            super().set_app(application)
            made.append(self)
            ready.set()
            begin.wait()

    stop, stopped = socket.socketpair()

    def run() -> None:
        kept, radicale.server.ParallelHTTPServer = radicale.server.ParallelHTTPServer, Server
        try:
            radicale.server.serve(settings, stopped)
        finally:
            radicale.server.ParallelHTTPServer = kept

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()

    def end() -> None:
        stop.close()
        thread.join()

    return Made(made[0], begin.set, end)


def ask_radicale(address: tuple[str, int], number: int) -> Any:
    user = {"Authorization": f"Basic {base64.b64encode(f'user-{number}:secret'.encode()).decode()}"}
    book = f"/user-{number}/book"
    event = b"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:one\r\nFN:One\r\nN:One;;;;\r\nEND:VCARD\r\n"
    body = (
        b'<?xml version="1.0"?><mkcol xmlns="DAV:" xmlns:CR="urn:ietf:params:xml:ns:carddav"><set><prop>'
        b"<resourcetype><collection/><CR:addressbook/></resourcetype></prop></set></mkcol>"
    )
    return [
        ask(address, "MKCOL", f"{book}/", body, **user)[0],
        ask(address, "PUT", f"{book}/one.vcf", event, **user, Content_Type="text/vcard")[0],
        ask(address, "GET", f"{book}/one.vcf", **user)[:2],
        ask(address, "PROPFIND", f"{book}/", **user, Depth="1")[0],
        ask(address, "DELETE", f"{book}/", **user)[0],
    ]


def make_moto() -> Made:
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    logging.getLogger("werkzeug").disabled = True
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    return Made(server._server, lambda: None, lambda: server.stop() or server._server.server_close())


def ask_moto(address: tuple[str, int], number: int) -> Any:
    import boto3

    session = boto3.session.Session("key", "secret", region_name="us-east-1")
    with contextlib.closing(session.client("s3", endpoint_url=f"http://127.0.0.1:{address[1]}")) as client:
        bucket = f"bucket-{number}"
        client.create_bucket(Bucket=bucket)
        client.put_object(Bucket=bucket, Key="key", Body=BODY)
        got = client.get_object(Bucket=bucket, Key="key")["Body"].read()
        keys = [each["Key"] for each in client.list_objects_v2(Bucket=bucket)["Contents"]]
        client.delete_object(Bucket=bucket, Key="key")
        client.delete_bucket(Bucket=bucket)
    return got == BODY, keys


PROGRAMS = {
    "flask": Program(
        package="flask", client="requests", make=make_flask, talk=ask_flask,
        uses="werkzeug: `ThreadedWSGIServer(ThreadingMixIn, HTTPServer)`, its listener is a duplicate",
    ),
    "django": Program(
        package="django", make=make_django, talk=ask_echo,
        uses="`runserver`: `ThreadedWSGIServer(ThreadingMixIn, WSGIServer)`, `process_request_thread` and "
        "`close_request` overridden",
    ),
    "bottle": Program(
        package="bottle", make=make_bottle, talk=ask_echo, threads=False,
        uses="wsgiref's `WSGIServer`, serial",
    ),
    "pytest-httpserver": Program(
        package="pytest-httpserver", make=make_pytest_httpserver, talk=ask_echo, early=True,
        uses="werkzeug, as Flask; it never closes its server",
    ),
    "mkdocs": Program(
        package="mkdocs", make=make_mkdocs, talk=ask_site,
        uses="`LiveReloadServer(ThreadingMixIn, WSGIServer)`, `shutdown` overridden, closes itself",
    ),
    "pelican": Program(
        package="pelican", make=make_pelican, talk=ask_site, threads=False,
        uses="`HTTPServer`, serial, its constructor called by name",
    ),
    "uploadserver": Program(
        package="uploadserver", client="requests", make=make_uploadserver, talk=ask_uploadserver,
        uses="`ThreadingHTTPServer`",
    ),
    "radicale": Program(
        package="radicale", make=make_radicale, talk=ask_radicale,
        uses="`ParallelHTTPServer(ThreadingMixIn, WSGIServer)`: a loop of its own on `handle_request`; "
        "`get_request` returns an address that is none",
    ),
    "moto": Program(
        package="moto", client="boto3", make=make_moto, talk=ask_moto, early=True,
        uses="werkzeug, as Flask",
    ),
}  # fmt: skip
