"""Promtool finds nothing wrong with the configuration, and the rules do as their tests say."""

import pytest

from .conftest import Stack

FOLDER = "/etc/prometheus"


@pytest.mark.parametrize(
    "command",
    [
        ("check", "config", "--lint=all", "--lint-fatal", f"{FOLDER}/prometheus.yml"),
        ("check", "rules", "--lint=all", "--lint-fatal", f"{FOLDER}/rules/server.yml"),
        ("test", "rules", f"{FOLDER}/tests/server.yml", f"{FOLDER}/tests/slow.yml"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_promtool_is_content(stack: Stack, command: tuple[str, ...]):
    # The rest of its file system is read-only, and the tests of rules need a place for their samples.
    options = ("-T", "--env", "TMPDIR=/prometheus")
    assert "SUCCESS" in stack.run("exec", *options, "prometheus", "promtool", *command)
