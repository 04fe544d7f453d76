"""What keeps the project up does what a developer does: the same commands, versions and Pythons."""

import json
import os
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
RENOVATE = json.loads((ROOT / "renovate.json").read_text(encoding="utf-8"))
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
STEPS = [
    pytest.param(step, id=f"{name}:{step.get('run') or step['uses'].partition('@')[0]}")
    for name, job in WORKFLOW["jobs"].items()
    for step in job["steps"]
]
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
PAGES = [ROOT / name for name in ("CONTRIBUTING.md", "README.md", "SECURITY.md")]
CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def recipe(target):
    """Return the commands of a target."""
    (lines,) = re.findall(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    return [line.strip().removeprefix("@") for line in lines.splitlines()]


def exists(command):
    """Return whether a command is a script of this project, or a target of its Makefile."""
    words = command.removeprefix("sudo ").split()
    if words[0] == "make":
        return words[1] in TARGETS
    return os.access(ROOT / words[0], os.X_OK)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_of_the_workflow_runs_what_is_here_or_a_version_that_cannot_move(step):
    if "run" in step:
        assert exists(step["run"])
    else:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"])


def test_the_version_of_each_action_is_told_beside_it():
    text = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    uses = re.findall(r"uses: (\S+)(.*)", text)
    assert all(re.fullmatch(r" # v\d+\.\d+\.\d+", told) for _, told in uses)
    assert len({use.partition("@")[0] for use, _ in uses}) == len(set(uses))


def test_a_merge_is_held_to_the_same_script_on_each_python_that_is_told_of():
    told = [
        line.rpartition(" ")[2]
        for line in PROJECT["project"]["classifiers"]
        if line.startswith("Programming Language :: Python :: 3.")
    ]
    run = WORKFLOW["jobs"]["run"]
    assert run["strategy"]["matrix"]["python"] == told
    assert PROJECT["project"]["requires-python"] == f">={told[0]}"
    (step,) = (step for step in run["steps"] if step.get("run") == ".ci/run")
    assert step["env"] == {"PYTHON": "python${{ matrix.python }}"}
    assert "PYTHON ?=" in MAKEFILE


def test_the_workflow_may_read_and_no_more():
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in WORKFLOW["jobs"].values())
    steps = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
    checkouts = [step for step in steps if "checkout" in step.get("uses", "")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_a_commit_is_checked_as_make_checks():
    (local,) = HOOKS["repos"]
    assert local["repo"] == "local"
    assert [hook["entry"] for hook in local["hooks"]] == ["make check"]


def test_each_lock_file_is_kept_up_and_made_anew_by_make_lock():
    (pattern,) = RENOVATE["pip_requirements"]["managerFilePatterns"]
    locked = {f"requirements/{file.name}" for file in (ROOT / "requirements").glob("*.txt")}
    assert all(re.search(pattern.strip("/"), file) for file in locked)
    assert set(re.findall(r"--output-file (\S+)", "\n".join(recipe("lock")))) == locked


def test_what_is_left_to_people_is_there():
    keys = ("matchPackageNames", "matchDepNames")
    left = {name for rule in RENOVATE["packageRules"] for key in keys for name in rule.get(key, ())}
    assert left
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    packages = [
        line for group in PROJECT["dependency-groups"].values() for line in group if isinstance(line, str)
    ]
    for name in left:
        named = [line for line in packages if re.match(rf"{name}[<=]", line)]
        assert named or re.search(rf"^ARG \w+={name}:", dockerfile, re.MULTILINE), name


def test_a_target_is_told_by_help_and_is_no_file():
    (phony,) = re.findall(r"^\.PHONY: (help .*)$", MAKEFILE, re.MULTILINE)
    assert set(phony.split()) == set(re.findall(r"^([a-z-]+):.* ## ", MAKEFILE, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_has_its_reader_make_is_there(page):
    code = "\n".join(CODE.findall(page.read_text(encoding="utf-8")))
    for command in re.findall(r"(?<![\w./])(?:make [a-z-]+|\.ci/[a-z-]+)", code):
        assert exists(command), command
