"""What `make drill` says without a stack."""

from drills.__main__ import main
from drills.catalogue import DRILLS


def test_drills_are_listed(capsys):
    assert main([]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == [*(drill.name for drill in DRILLS), "all"]


def test_one_that_there_is_not_is_told_in_a_line(capsys):
    assert main(["nosuch", "thing"]) == 2
    assert capsys.readouterr().err == "drills: there is no nosuch thing; make drill lists them\n"
