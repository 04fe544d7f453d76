import re
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from drills import __main__ as command
from drills.catalogue import DRILLS
from drills.stack import Stack, StackError

FIRING = b'{"data": {"alerts": [{"labels": {"alertname": "NoServer"}, "state": "firing"}]}}'


class Prometheus(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(FIRING)

    def log_message(self, *_):
        pass


def test_prometheus_is_asked_itself_where_the_environment_has_a_proxy(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setattr(urllib.request, "_opener", None)  # made by whoever asked before
    stack = Stack.__new__(Stack)
    with HTTPServer(("127.0.0.1", 0), Prometheus) as server:
        stack.prometheus = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.handle_request)
        server.timeout = 10
        thread.start()
        assert list(stack.firing()) == ["NoServer"]
        thread.join()


class WithoutGrafana(Stack):
    """A stack whose Grafana could not be had."""

    def compose(self, *arguments):
        if "grafana" in arguments:
            raise StackError("no such service")
        return "127.0.0.1:9090\n"

    def query(self, _):
        return []


def test_where_grafana_does_not_run_the_dashboard_is_named_and_no_port(capsys):
    command._announce(WithoutGrafana(), next(drill for drill in DRILLS if drill.name == "resets"))
    panel = capsys.readouterr().out.splitlines()[1]
    assert panel.endswith(": on the dashboard server, as Grafana does not run")


class Scaled(Stack):
    """A stack without replicas, whose Prometheus answers as it is told."""

    def __init__(self, *answers):
        self.did, self.answers = [], list(answers)

    def containers(self, *_):
        return []

    def compose(self, *arguments):
        self.did.append(next(one for one in arguments if one.startswith("replica=")))
        return ""

    def query(self, _):
        self.did.append("asked")
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize("last", [[{}], StackError("it does not answer")])
def test_servers_go_when_those_that_came_back_have_been_seen_also_after_ctrl_c(monkeypatch, last):
    monkeypatch.setattr(time, "sleep", lambda _: None)
    stack = Scaled([], [{}], [], last)

    def play():
        with stack.at_least(3):
            stack.did.append("drill")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play()
    assert stack.did == ["replica=2", "asked", "asked", "drill", "asked", "asked", "replica=0"]


def test_so_many_are_waited_for_and_as_many_as_before_stay(monkeypatch):
    asked = []

    def query(expression):
        asked.append(expression)
        return [{}]

    stack = Scaled()
    monkeypatch.setattr(stack, "containers", lambda *_: ["one"])
    monkeypatch.setattr(stack, "query", query)
    with stack.at_least(3):
        pass
    assert stack.did == ["replica=2", "replica=1"]
    # ReplicaDown knows how many there were by what the rule has recorded: a kill before that shows nothing.
    assert [
        re.findall(r"(count\(up|job:server_up:count).*? >= (\d)", expression) for expression in asked
    ] == [[("count(up", "3"), ("job:server_up:count", "3")]] * 2


def test_a_command_of_which_a_part_fails_has_failed(tmp_path):
    stack = Stack.__new__(Stack)
    stack._folder = tmp_path
    assert stack.shell("echo line | cat") == "line\n"
    with pytest.raises(StackError, match="status 1"):
        stack.shell("false | cat")
