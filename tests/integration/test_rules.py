"""Promtool finds nothing wrong with configuration and scrapes, and the rules do as their tests say."""

from pathlib import Path

import pytest

from .clone import ROOT
from .conftest import Stack

FOLDER = "/etc/prometheus"


def there(folder: str) -> list[str]:
    """Return the files of a folder of Prometheus' configuration, by their names in its container."""
    found = [f"{FOLDER}/{folder}/{file.name}" for file in sorted((ROOT / "prometheus" / folder).glob("*.yml"))]
    assert found
    return found


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
