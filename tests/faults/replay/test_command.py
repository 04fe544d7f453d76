"""The commands of replay as `socketscope` and as `python -m client` has them."""

import os
import re
import subprocess
import sys

import pytest

from socketscope.commands import CONVERSATIONS
from tests.faults.replay.terminal import ROOT
from tests.faults.replay.test_replay import PATIENCE, write


def said(*words: str, **variables: str) -> tuple[int, str, str]:
    ended = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False,
        env={**os.environ, "COLUMNS": "200", **variables},
    )  # fmt: skip
    return ended.returncode, ended.stdout, ended.stderr


def commands(help_text: str) -> set[str]:
    return set(re.findall(r"^ +([a-z]+) {2,}\S", help_text, re.MULTILINE))


def test_both_have_the_same_commands_and_one_has_run():
    ours, theirs = said("-m", "socketscope", "--help"), said("-m", "client", "--help")
    assert (ours[0], theirs[0]) == (0, 0)
    assert theirs[1].startswith("Usage: python -m client [")
    assert commands(theirs[1]) == set(CONVERSATIONS)
    assert commands(ours[1]) == {*CONVERSATIONS, "run"}


def test_what_an_image_calls_its_version_is_no_option():
    status, shown, complaint = said("-m", "client", "check", "client/scripts", CLIENT_VERSION="1.2.3")
    assert (status, complaint) == (0, "")
    assert shown


@pytest.mark.parametrize("missing", ["click", "jinja2", "rich"])
def test_what_is_not_installed_is_told_in_a_line_and_run_needs_none_of_it(missing):
    without = (
        f"import sys; sys.modules[{missing!r}] = None; from socketscope.commands.cli import main; main()"
    )
    status, shown, complaint = said("-c", without, "replay", "x.talk")
    assert (status, shown) == (127, "")
    assert re.fullmatch(
        rf"socketscope: replay needs {missing}\S*: pip install 'socketscope\[client\]' brings it\n", complaint
    )
    assert said("-c", without, "run", "-m", "platform", "-h")[2] == said("-m", "platform", "-h")[2]


def test_a_command_loads_nothing_that_only_others_need(tmp_path):
    without = "import sys; sys.modules['jinja2'] = None; from socketscope.commands.cli import main; main()"
    status, shown, complaint = said("-c", without, "check", str(write(tmp_path, "> hello\n< hello\n")))
    assert (status, complaint) == (0, "")
    assert "expect the line" in shown


def test_a_command_that_is_mistyped_is_told_with_the_one_that_is_like_it():
    told = "client: No such command 'reply'. Did you mean 'replay'?\n"
    assert said("-m", "client", "reply") == (2, "", told)


def test_that_a_module_of_ours_is_missing_is_no_want_of_the_extras():
    group = "socketscope.commands.group"
    without = f"import sys; sys.modules[{group!r}] = None; from socketscope.commands.cli import main; main()"
    status, shown, complaint = said("-c", without, "check", "x.talk")
    assert (status, shown) == (1, "")
    said_last, _, _ = complaint.splitlines()[-1].partition(". Did you mean")  # since Python 3.15
    assert said_last == f"ModuleNotFoundError: import of {group} halted; None in sys.modules"
