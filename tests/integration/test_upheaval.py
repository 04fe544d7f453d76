"""What stops and dies; these tests change the stack, and leave it as it was."""

import socket

from tests.faults.server.process import summed
from tests.threads import in_a_thread

from .conftest import Stack, get, wait_for


def test_stopping_the_server_loses_no_reply_in_flight(stack: Stack):
    address = ("127.0.0.1", stack.port("server", 21567))
    metrics = f"http://127.0.0.1:{stack.port('server', 9464)}/metrics"
    clients = [socket.create_connection(address, timeout=30) for _ in range(30)]
    try:
        wait_for(lambda: summed(get(metrics), "socketserver_connections_open") >= 30, "all are open")
        stopping = in_a_thread(stack.run, "stop", "server")
        wait_for(lambda: "socketserver_draining 1.0" in get(metrics), "the stop has come")
        # Within the read deadline of connections that were open when the stop came.
        replies = []
        for client in clients:
            client.sendall(b"late\n")
            replies.append(client.makefile("rb").read())
            client.close()
        stopping.join()
        assert all(reply.endswith(b"] late\n") for reply in replies)
        last = wait_for(
            lambda: [line for line in stack.log()[-1:] if line["event"] == "drain_finished"], "its end"
        )
        assert last[0]["forced"] == 0
    finally:
        stack.run("up", "--detach", "--wait", "server")


def test_killing_the_server_shows_and_the_client_recovers(stack: Stack):
    wait_for(lambda: stack.value('sum(up{job="server"})') == 1, "the server is up")
    failed = 'sum(replay_exchanges_total{outcome!="ok"})'
    before = stack.value(failed)
    stack.run("kill", "server")
    try:
        wait_for(lambda: stack.value('sum(up{job="server"})') == 0, "its absence shows in up")
        wait_for(lambda: stack.value(failed) > before, "the client counts failures")
    finally:
        stack.run("up", "--detach", "--wait", "server")
    wait_for(
        lambda: stack.value('sum(rate(replay_exchanges_total{outcome="ok"}[4s]))') > 1, "the client is back"
    )
