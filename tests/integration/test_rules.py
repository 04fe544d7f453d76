"""Promtool finds nothing wrong with configuration and scrapes, and the rules do as their tests say."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .clone import ROOT
from .conftest import Stack, get, wait_for

FOLDER = "/etc/prometheus"


def there(folder: str) -> list[str]:
    """Return the files of a folder of Prometheus' configuration, by their names in its container."""
    files = sorted((ROOT / "prometheus" / folder).glob("*.yml"))
    assert files
    return [f"{FOLDER}/{folder}/{file.name}" for file in files]


@pytest.mark.parametrize(
    "command",
    [
        ("check", "config", "--lint=all", "--lint-fatal", f"{FOLDER}/prometheus.yml"),
        ("check", "rules", "--lint=all", "--lint-fatal", *there("rules")),
        *(("test", "rules", file) for file in there("tests")),
    ],
    ids=lambda command: f"{' '.join(command[:2])} {Path(command[-1]).name}",
)
def test_promtool_is_content(stack: Stack, command: tuple[str, ...]):
    # The rest of its file system is read-only, and the tests of rules need a place for their samples.
    options = ("-T", "--env", "TMPDIR=/prometheus")
    assert "SUCCESS" in stack.run("exec", *options, "prometheus", "promtool", *command)


@pytest.mark.parametrize("address", ["server:9464", "client:9465"])
def test_a_scrape_is_as_promtool_wants_it(stack: Stack, address: str):
    command = f"wget -q -O - http://{address}/metrics | promtool check metrics"
    assert stack.run("exec", "-T", "prometheus", "sh", "-c", f"set -o pipefail; {command}") == ""


def test_an_alerts_address_opens_at_its_section_of_the_runbook(stack: Stack):
    page = get(f"{stack.prometheus}/user/runbook.html")
    for rule in alerts(stack):
        address, _, section = rule["annotations"]["runbook_url"].partition("#")
        assert address == "{{ $externalURL }}/user/runbook.html"
        assert f'id="{section}"' in page


def test_no_rule_is_at_fault_and_all_take_next_to_no_time(stack: Stack):
    wait_for(lambda: all(rule["health"] == "ok" for rule in rules(stack)), "every rule was looked at", 120)
    # Of the two seconds between two looks; every look has to see the drain of a server.
    assert sum(rule["evaluationTime"] for rule in rules(stack)) < 0.5


def test_the_container_of_an_address_is_found_as_the_runbook_says(stack: Stack):
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"## Which container\n.*?```sh\n(.+?)\n```", runbook, re.DOTALL)
    told = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = dict(line.split() for line in told.splitlines())
    # At the address of one that has stopped Prometheus asks for a while.
    targets = stack.query('up{job=~"server|client"} == 1')
    assert {target["metric"]["job"] for target in targets} == {"server", "client"}
    for target in targets:
        address = target["metric"]["instance"].partition(":")[0]
        assert f"-{target['metric']['job']}-1" in found[address]


def rules(stack: Stack) -> list[dict[str, Any]]:
    answer = json.loads(get(f"{stack.prometheus}/api/v1/rules"))
    return [rule for group in answer["data"]["groups"] for rule in group["rules"]]


def alerts(stack: Stack) -> list[dict[str, Any]]:
    return [rule for rule in rules(stack) if rule["type"] == "alerting"]
