import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.library.conformance import MODULES

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(
    importlib.util.find_spec("test") is None or importlib.util.find_spec("test.test_socketserver") is None,
    reason="this interpreter ships without its tests",
)
@pytest.mark.parametrize("way", ["observed", "threading"])
@pytest.mark.parametrize("module", MODULES)
def test_cpythons_own_tests_pass(way, module):
    ended = subprocess.run(
        [sys.executable, "-m", "tests.faults.library.conformance", way, module],
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
