import subprocess

import pytest

from tests.faults.server.process import ROOT

from .alone import command

pytestmark = pytest.mark.timeout(3600)


@pytest.fixture
def run(capsys):
    def run_alone(module: str) -> int:
        how, why_not = command(module)
        ended = subprocess.run(how, cwd=ROOT, capture_output=True, text=True, check=False)
        with capsys.disabled():
            print(f"\n{why_not or 'in a network namespace of its own'}\n{ended.stdout}{ended.stderr}")
        return ended.returncode

    return run_alone


def test_case_27_a_million_connections_leave_nothing_behind(run):
    assert run("tests.soak.million") == 0


def test_a_hundred_stops_under_load_lose_no_reply(run):
    assert run("tests.soak.stops") == 0


def test_thousands_that_are_let_go_at_once_leave_the_server_as_it_was(run):
    assert run("tests.soak.release") == 0
