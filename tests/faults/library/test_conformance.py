import importlib.util
import platform
import re
import sys

import pytest

from tests.faults.library.conformance import LEFT_OUT, MODULES
from tests.faults.server.process import ROOT, ended

PAGE = (ROOT / "docs" / "socketserver.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of a table of the page, its first row included."""
    _, found, rest = PAGE.partition(f"\n| {heading} |")
    assert found
    lines = (found + rest).strip().partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "---" not in line]


def documented(module: str) -> dict[str, int]:
    """Return how many tests of a module there are, those that skip themselves included, by Python and way."""
    columns, *modules = rows("Module")
    (cells,) = (cells for cells in modules if cells[0].startswith(f"`{module}`"))
    return dict(zip(columns[1:], (sum(map(int, cell.split("+"))) for cell in cells[1:]), strict=True))


def test_the_page_has_each_module_and_what_is_left_out():
    told = {re.findall("`(.+?)`", cells[0])[0] for cells in rows("Module")[1:]}
    assert told == set(MODULES)
    left_out = {
        (f"`{test}`", why): "both" if all(test in tests for tests in LEFT_OUT.values()) else way
        for way, tests in LEFT_OUT.items()
        for test, why in tests.items()
    }
    assert {(test, why): way for test, way, why in rows("Test | In")[1:]} == left_out


@pytest.mark.skipif(
    importlib.util.find_spec("test") is None or importlib.util.find_spec("test.test_socketserver") is None,
    reason="this interpreter ships without its tests",
)
@pytest.mark.parametrize("way", ["observed", "threading"])
@pytest.mark.parametrize("module", MODULES)
def test_cpythons_own_tests_pass(way, module):
    command = (sys.executable, "-m", "tests.faults.library.conformance", way, module)
    status, output, errors = ended(*command, timeout=100)
    assert status == 0, errors
    number = int(output.splitlines()[-1].split()[0])
    # Another Python has other tests.
    assert documented(module).get(f"{platform.python_version()} {way}", number) == number
