"""Programs that speak something else than HTTP."""

import hashlib
import logging
import time
from typing import Any

from tests.programs.program import Made, Program, plain

TEXT = "0123456789abcdef" * 4096


def make_fakeredis() -> Made:
    from fakeredis import TcpFakeServer

    return plain(TcpFakeServer(("127.0.0.1", 0)))


def ask_redis(address: tuple[str, int], number: int) -> Any:
    import redis

    with redis.Redis(*address, protocol=2, socket_timeout=10) as client:
        key = f"key-{number}"
        answers = [client.set(key, TEXT), client.get(key) == TEXT.encode(), client.strlen(key)]
        with client.pipeline(transaction=True) as pipeline:
            for _ in range(50):
                pipeline.incr(f"{key}:count")
            answers.append(pipeline.execute()[-1])
        try:
            client.lpush(key, "x")
        except redis.ResponseError as error:
            answers.append(str(error))  # and it hangs up
        return answers


def _make_dns(*, tcp: bool) -> Made:
    from dnslib import RR
    from dnslib.server import BaseResolver, DNSLogger, DNSServer

    class Resolver(BaseResolver):
        def resolve(self, request: Any, handler: Any) -> Any:
            reply = request.reply()
            reply.add_answer(*RR.fromZone(f"{request.q.qname} 60 A 192.0.2.1"))
            return reply

    return plain(DNSServer(Resolver(), "127.0.0.1", 0, tcp, DNSLogger(logf=lambda _: None)).server)


def _ask_dns(address: tuple[str, int], number: int, *, tcp: bool) -> Any:
    from dnslib import DNSRecord

    answers = []
    for count in range(10):
        question = DNSRecord.question(f"name-{number}-{count}.example")
        answer = DNSRecord.parse(question.send(*address, tcp=tcp, timeout=5))
        answers.append((answer.header.id == question.header.id, [str(each) for each in answer.rr]))
    return answers


def make_websocket_server() -> Made:
    from websocket_server import WebsocketServer

    server = WebsocketServer("127.0.0.1", 0, logging.CRITICAL)
    server.set_fn_message_received(lambda client, server, text: server.send_message(client, text.upper()))
    return plain(server)


def ask_websocket(address: tuple[str, int], number: int) -> Any:
    import websocket

    client = websocket.create_connection(f"ws://127.0.0.1:{address[1]}/", timeout=10)
    answers = []
    for size in (1, 125, 126, 60000):
        client.send("a" * (size + number))
        answers.append(hashlib.sha256(client.recv().encode()).hexdigest())
    client.ping("still there")
    answers.append(client.recv_data(control_frame=True)[0])
    client.close()
    return answers


def make_sftp() -> Made:
    from pytest_sftpserver.sftp.server import SFTPServer

    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    server = SFTPServer({"folder": {"file": TEXT}})
    server.server_bind()
    server.server_activate()
    return plain(server)


def ask_sftp(address: tuple[str, int], number: int) -> Any:
    import paramiko

    with paramiko.Transport(address) as transport:
        transport.connect(username="user", password="secret")
        with paramiko.SFTPClient.from_transport(transport) as client:
            listed = client.listdir("/folder")
            with client.open("/folder/file") as file:
                text = file.read()
            with client.open(f"/mine-{number}", "w") as file:
                file.write(TEXT[:1000])
            return listed == ["file"], text == TEXT.encode(), client.stat(f"/mine-{number}").st_size


def _dispatcher() -> Any:
    from pythonosc.dispatcher import Dispatcher

    dispatcher = Dispatcher()
    dispatcher.map("/add", lambda _, *numbers: ("/sum", sum(numbers)))
    return dispatcher


def make_osc_udp() -> Made:
    from pythonosc.osc_server import ThreadingOSCUDPServer

    return plain(ThreadingOSCUDPServer(("127.0.0.1", 0), _dispatcher()))


def ask_osc_udp(address: tuple[str, int], number: int) -> Any:
    from pythonosc.udp_client import SimpleUDPClient

    with SimpleUDPClient(*address) as client:
        answers = []
        for count in range(10):
            client.send_message("/add", [number, count])
            answers.append(list(next(client.get_messages(5))))
        client.send_message("/nobody", "listens")
        time.sleep(0.1)
        return answers


def make_osc_tcp() -> Made:
    from pythonosc.osc_tcp_server import ThreadingOSCTCPServer

    return plain(ThreadingOSCTCPServer(("127.0.0.1", 0), _dispatcher()))


def ask_osc_tcp(address: tuple[str, int], number: int) -> Any:
    from pythonosc.tcp_client import SimpleTCPClient

    with SimpleTCPClient(*address) as client:
        answers = []
        for count in range(10):
            client.send_message("/add", [number, count])
            answers.append(list(next(client.get_messages(5))))
        return answers


def _make_jsonrpc(name: str) -> Made:
    from jsonrpclib import SimpleJSONRPCServer

    server = getattr(SimpleJSONRPCServer, name)(("127.0.0.1", 0), logRequests=False)
    server.register_function(lambda *numbers: sum(numbers), "add")
    server.register_function(lambda text: text, "echo")
    return plain(server)


def ask_jsonrpc(address: tuple[str, int], number: int) -> Any:
    import jsonrpclib

    client = jsonrpclib.ServerProxy(f"http://127.0.0.1:{address[1]}")
    answers = [client.add(number, 5), client.echo(TEXT) == TEXT]
    try:
        client.nothing()
    except jsonrpclib.ProtocolError as error:
        answers.append(str(error))
    client("close")()
    return answers


def make_impacket() -> Made:
    from impacket.smbserver import SimpleSMBServer

    from tests.programs.web import site

    logging.getLogger("impacket").disabled = True
    server = SimpleSMBServer("127.0.0.1", 0)
    server.setSMB2Support(True)
    server.setLogFile("/dev/null")
    server.addShare("SHARE", site())
    return plain(server._SimpleSMBServer__server)


def ask_impacket(address: tuple[str, int], number: int) -> Any:
    from io import BytesIO

    from impacket.smbconnection import SMBConnection

    client = SMBConnection("127.0.0.1", "127.0.0.1", sess_port=address[1], timeout=10)
    client.login("", "")
    name, got = f"mine-{number}", BytesIO()
    client.putFile("SHARE", name, BytesIO(TEXT.encode()).read)
    client.getFile("SHARE", name, got.write)
    listed = [each.get_longname() for each in client.listPath("SHARE", name)]
    client.deleteFile("SHARE", name)
    client.close()
    return listed, got.getvalue() == TEXT.encode(), client.getDialect()


PROGRAMS = {
    "fakeredis": Program(
        package="fakeredis", client="redis", make=make_fakeredis, talk=ask_redis,
        uses="`TcpFakeServer(ThreadingTCPServer)`, `shutdown` overridden",
    ),
    "dnslib-udp": Program(
        package="dnslib", make=lambda: _make_dns(tcp=False), talk=lambda *to: _ask_dns(*to, tcp=False),
        uses="`UDPServer(ThreadingMixIn, UDPServer, object)`", datagrams=True,
    ),
    "dnslib-tcp": Program(
        package="dnslib", make=lambda: _make_dns(tcp=True), talk=lambda *to: _ask_dns(*to, tcp=True),
        uses="`TCPServer(ThreadingMixIn, TCPServer, object)`",
    ),
    "websocket-server": Program(
        package="websocket-server", client="websocket-client", make=make_websocket_server, talk=ask_websocket,
        silent="handler_error",
        uses="`WebsocketServer(ThreadingMixIn, TCPServer, API)`: handlers are kept and written to by others",
    ),
    "pytest-sftpserver": Program(
        package="pytest-sftpserver", client="paramiko", make=make_sftp, talk=ask_sftp,
        silent="handler_error", cut="handler_error",
        uses="`SFTPServer(Thread, ThreadingMixIn, TCPServer)`: paramiko's transport, a thread of its own, "
        "reads and writes the connection",
    ),
    "python-osc-udp": Program(
        package="python-osc", make=make_osc_udp, talk=ask_osc_udp, datagrams=True,
        uses="`ThreadingOSCUDPServer(ThreadingMixIn, UDPServer)`, `verify_request` overridden",
    ),
    "python-osc-tcp": Program(
        package="python-osc", make=make_osc_tcp, talk=ask_osc_tcp,
        uses="`ThreadingOSCTCPServer(ThreadingMixIn, TCPServer)`",
    ),
    "jsonrpclib-serial": Program(
        package="jsonrpclib-pelix", make=lambda: _make_jsonrpc("SimpleJSONRPCServer"), talk=ask_jsonrpc,
        threads=False, uses="`SimpleJSONRPCServer(TCPServer, ...)`, serial, another constructor",
    ),
    "jsonrpclib-pooled": Program(
        package="jsonrpclib-pelix", make=lambda: _make_jsonrpc("PooledJSONRPCServer"), talk=ask_jsonrpc,
        uses="`PooledJSONRPCServer(ThreadingMixIn, ...)`: `process_request` hands over to a pool of its own, "
        "`server_close` overridden",
    ),
    "impacket": Program(
        package="impacket", make=make_impacket, talk=ask_impacket,
        uses="`SMBSERVER(ThreadingMixIn, TCPServer)`: the thread's name is the key of a client's session",
    ),
}  # fmt: skip
