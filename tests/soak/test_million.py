import subprocess

import pytest

from tests.faults.server.process import ROOT

from .alone import command

pytestmark = pytest.mark.timeout(3600)


def test_case_27_a_million_connections_leave_nothing_behind(capsys):
    how, why_not = command("tests.soak.million")
    ended = subprocess.run(how, cwd=ROOT, capture_output=True, text=True, check=False)
    with capsys.disabled():
        print(f"\n{why_not or 'in a network namespace of its own'}\n{ended.stdout}{ended.stderr}")
    assert ended.returncode == 0
