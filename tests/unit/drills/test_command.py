"""What `make drill` says without a stack."""

import os
import subprocess
import sys

from drills.__main__ import main
from drills.catalogue import DRILLS


def test_drills_are_listed(capsys):
    assert main([]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == [*(drill.name for drill in DRILLS), "all"]


def test_one_that_there_is_not_is_told_in_a_line(capsys):
    assert main(["nosuch", "thing"]) == 2
    assert capsys.readouterr().err == "drills: there is no nosuch thing; make drill lists them\n"


def test_who_reads_the_list_may_stop_reading():
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "wb") as output:
        listing = [sys.executable, "-m", "drills"]
        ended = subprocess.run(listing, stdout=output, stderr=subprocess.PIPE, check=False)
    assert (ended.returncode, ended.stderr) == (1, b"")
