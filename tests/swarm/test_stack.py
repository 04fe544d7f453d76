"""What the stack on a swarm has: servers that are all scraped, secrets, commands that do as the page says."""

import re
import urllib.request

import pytest

from tests.integration.conftest import wait_for
from tests.pages import shell_lines

from .stack import PAGE, Stack, commands

PATIENCE = 120.0
"""Seconds, as the node may have other work too."""
SCRAPED = 'count(up{job="server"} == 1)'


def value(stack: Stack, expression: str) -> float:
    found = stack.query(expression)
    return float(found[0]["value"][1]) if found else 0.0


def test_three_servers_are_all_scraped_and_all_get_traffic(stack: Stack):
    wait_for(lambda: value(stack, SCRAPED) == 3, "three targets are up", PATIENCE)
    busy = "count(sum by (instance) (rate(socketserver_connections_accepted_total[10s])) > 0)"
    wait_for(lambda: value(stack, busy) == 3, "each has traffic", PATIENCE)
    wait_for(lambda: value(stack, 'count(up{job="client"} == 1)') == 1, "the client is up", PATIENCE)
    wait_for(lambda: value(stack, "job:server_wanted:count") == 3, "it is known how many there should be")


def test_promtool_is_content_with_what_the_configs_made(stack: Stack):
    checked = stack.run_in(
        "prometheus",
        "promtool",
        "check",
        "config",
        "--lint=all",
        "--lint-fatal",
        "/etc/prometheus/prometheus.yml",
    )
    assert "/etc/prometheus/rules/wanted.yml\n  SUCCESS" in checked


def test_the_key_is_its_servers_alone_and_in_no_layer(stack: Stack):
    look = "import os; s = os.stat('/run/secrets/server.key'); print(s.st_uid, oct(s.st_mode & 0o777))"
    assert stack.run_in("server", "python", "-c", look).split() == ["10001", "0o400"]
    assert "/run/secrets/server.key tmpfs" in stack.run_in("server", "cat", "/proc/mounts")
    assert (
        stack.run_in("server", "cat", "/run/secrets/server.key") == (stack.folder / "server.key").read_text()
    )
    there = "import os; print(os.path.exists('/run/secrets'))"
    assert stack.run_in("client", "python", "-c", there).strip() == "False"


def test_grafana_can_read_its_password_and_has_the_dashboards(stack: Stack):
    password = (stack.folder / "grafana-password").read_text()
    assert stack.run_in("grafana", "cat", "/run/secrets/grafana-password") == password
    for folder in ("dashboards", "provisioning/datasources", "provisioning/dashboards"):
        for file in sorted((stack.folder / "grafana" / folder).iterdir()):
            at = "/var/lib/grafana-dashboards" if folder == "dashboards" else f"/etc/grafana/{folder}"
            assert stack.run_in("grafana", "cat", f"{at}/{file.name}") == file.read_text()


def test_grafana_wants_its_password(stack: Stack):
    if stack.without_grafana:
        pytest.skip(stack.without_grafana)
    opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler())
    opener.addheaders = [("X-Nobody", "1")]
    with pytest.raises(OSError, match="401"):
        opener.open("http://127.0.0.1:3000/api/org", timeout=10)


def test_a_server_has_no_more_rights_than_it_needs(stack: Stack):
    status = stack.run_in("server", "cat", "/proc/self/status")
    assert "CapEff:\t0000000000000000" in status
    write = "import pathlib; pathlib.Path('/app/x').touch()"
    with pytest.raises(AssertionError, match="Read-only file system"):
        stack.run_in("server", "python", "-c", write)


def test_clients_of_the_page_are_served_over_tcp_and_tls_and_prometheus_answers(stack: Stack):
    plain, tls, asked = (stack.type(command) for command in commands("Clients"))
    for printed in (plain, tls):
        assert printed.startswith("PASS")
    assert len(re.findall(r"job=.?server", asked)) == 3


def test_the_page_has_no_command_in_a_section_that_is_not_done():
    done = [
        line for section in ("From nothing", "Clients", "Updates", "The end") for line in commands(section)
    ]
    assert shell_lines(PAGE) == done
