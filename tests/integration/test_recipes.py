"""The recipes of docs/recipes.md, each played with the server that it is for."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .peers import PEERS
from .peers.peer import Peer

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "recipes.md").read_text()
RECIPES = [
    (title, name, script)
    for title, section in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    for name, script in re.findall(r"```talk (\w+)\n(.*?)```", section, re.DOTALL)
]
SECRETS = {"varnish": "not told", "imap": "secret"}


def skip_unless_installed(peer: Peer) -> None:
    if peer.missing:
        pytest.skip(f"not installed: {', '.join(peer.missing)} (CONTRIBUTING.md says how)")


def test_each_part_of_the_page_has_something_to_play():
    assert len({title for title, _, _ in RECIPES}) == PAGE.count("\n## ") - 1  # the last is of pytest


@pytest.mark.parametrize(("title", "name", "script"), RECIPES, ids=[f"{r[0]}-{r[1]}" for r in RECIPES])
def test_a_recipe_is_green(title, name, script, tmp_path):
    peer = PEERS[name]
    skip_unless_installed(peer)
    path = tmp_path / "recipe.talk"
    path.write_text(script)
    with peer.running() as place:
        ended = subprocess.run(
            [sys.executable, "-m", "client", "replay", path, *peer.target(place), "--loops", "2"],
            cwd=ROOT, env={**os.environ, "PASSWORD": SECRETS.get(name, "")},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert ended.returncode == 0, (title, ended.stdout, ended.stderr)
    assert ended.stdout.startswith("PASS\n")


def test_a_script_is_a_test_of_the_server_that_a_fixture_starts(tmp_path):
    skip_unless_installed(PEERS["redis"])
    (tmp_path / "conftest.py").write_text(PAGE.split("```python\n")[1].split("```")[0])
    scripts = ROOT / "client" / "scripts" / "peers"
    for name in ("redis", "memcached"):
        (tmp_path / f"{name}.talk").write_text((scripts / f"{name}.talk").read_text())
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "pytest_socketscope", "-p", "no:cacheprovider"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED, ended.stdout
    assert "1 failed, 1 passed" in ended.stdout
    # Redis says so to what only memcached understands.
    assert "first failure: memcached.talk:7, mismatch" in ended.stdout
    assert "\n  expected  'STORED'\n  got       '-ERR syntax error'\n" in ended.stdout
