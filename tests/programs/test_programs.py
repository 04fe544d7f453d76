"""Real programs, served by the standard library and in each way of this one: nothing may differ.

`make programs` runs it, in an environment of its own.
"""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from tests.programs.programs import PROGRAMS

ROOT = Path(__file__).parents[2]
WAYS = ("run", "observe", "mixin", "class")


@lru_cache(None)
def trial(name: str, way: str) -> dict[str, Any]:
    """Return what is seen of a program in a process of its own."""
    launch = ["-m", "socketscope", "run", "--metrics", "none"] if way == "run" else []
    with tempfile.TemporaryDirectory() as folder:
        ended = subprocess.run(
            [sys.executable, *launch, "-m", "tests.programs.trial", name, way],
            cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
            env={**os.environ, "TMPDIR": folder},
        )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    seen: dict[str, Any] = json.loads(ended.stdout)
    return seen | {"errors": ended.stderr.count("Exception occurred during processing of request")}


def test_the_page_tells_of_each_program():
    page = (ROOT / "docs/programs.md").read_text()
    pinned = (ROOT / "requirements/programs-under-test.txt").read_text()
    versions = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", pinned, re.MULTILINE))
    for name, program in PROGRAMS.items():
        version = "Python's" if program.package is None else versions[program.package]
        assert f"| {name} | {version} | {program.uses} |" in page


@pytest.fixture(params=PROGRAMS)
def name(request: pytest.FixtureRequest) -> str:
    program = PROGRAMS[request.param]
    for package in filter(None, (program.package, program.client)):
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f"{package} is not installed")
    return str(request.param)


@pytest.mark.parametrize("way", WAYS)
def test_what_a_program_does_is_the_same_and_counted(name, way):
    if way == "mixin" and not PROGRAMS[name].threads:
        pytest.skip("its servers have no threads, and so no mixin")
    if way == "observe" and PROGRAMS[name].early:
        pytest.skip("it serves before anybody else has its server")
    standard, observed = trial(name, "standard"), trial(name, way)
    for each in ("replies", "ends", "errors", "left"):
        assert observed[each] == standard[each], each
    assert observed["counted"] == observed["expected"]
