import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TESTS = {
    "test_socketserver": 20,
    "test_httpservers": 70,
    "test_xmlrpc": 85,
    "test_docxmlrpc": 9,
    "test_wsgiref": 35,
    "test_urllib2_localnet": 20,
    "test_robotparser": 50,
    "test_imaplib": 85,
    "test_logging": 60,
    "test_ssl": 1,
}
"""How many there are at least of each module."""


@pytest.mark.skipif(
    importlib.util.find_spec("test.test_socketserver") is None,
    reason="this interpreter ships without its tests",
)
@pytest.mark.parametrize("way", ["observed", "threading"])
@pytest.mark.parametrize("module", TESTS)
def test_cpythons_own_tests_pass(way, module, tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "tests.faults.library.conformance", way, module],
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=False, env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    ran = re.search(r"Ran (\d+) tests?", ended.stderr)
    assert ran
    assert int(ran[1]) >= TESTS[module]
