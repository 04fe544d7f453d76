import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(
    importlib.util.find_spec("test.test_socketserver") is None,
    reason="this interpreter ships without its tests",
)
def test_cpythons_own_tests_pass():
    ended = subprocess.run(
        [sys.executable, "-m", "tests.faults.library.conformance"],
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    ran = re.search(r"Ran (\d+) tests", ended.stderr)
    assert ran
    assert int(ran[1]) >= 20
