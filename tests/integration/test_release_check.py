"""`make release-check` says in a line what a release lacks; the workflow runs all of it."""

import subprocess
from pathlib import Path

import pytest

from .clone import clone


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "socketscope"
    clone(folder)
    for arguments in (("init",), ("add", "--all"), ("commit", "--message", "all")):
        git(folder, *arguments)
    return folder


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost")
    subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, check=True)


def told(folder: Path, *checks: str) -> tuple[int, list[list[str]]]:
    ended = subprocess.run(
        [".ci/release-check", *checks], cwd=folder, capture_output=True, text=True, check=False
    )
    assert not ended.stderr
    return ended.returncode, [line.split(maxsplit=2) for line in ended.stdout.splitlines()]


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_what_is_committed_with_its_version_could_be_released(repository: Path):
    status, lines = told(repository, "committed", "version", "changelog")
    assert status == 0
    assert [line[:2] for line in lines] == [["committed", "ok"], ["version", "ok"], ["changelog", "ok"]]


def test_what_a_release_lacks_is_a_line_each(repository: Path):
    edit(repository / "CHANGELOG.md", "## 0.1.0, ", "## 0.0.9, ")
    edit(repository / "socketscope/version.py", '"0.1.0"', '"0.1"')
    status, lines = told(repository, "committed", "version", "changelog", "alone")
    assert status == 1
    assert lines == [
        ["committed", "FAILED", "2 files are not as they were committed: commit or stash them first"],
        ["version", "FAILED", "socketscope/version.py: '0.1' is no version: write it like 1.2.3"],
        [
            "changelog",
            "FAILED",
            "CHANGELOG.md: '## 0.0.9, unreleased' is not '## 0.1, ' and a date: write what 0.1 brings",
        ],
        ["alone", "FAILED", "there is no socketscope-0.1-py3-none-any.whl in dist/: see what is said of it"],
    ]


def test_a_tag_wants_a_date(repository: Path):
    git(repository, "tag", "v0.1.0")
    assert told(repository, "changelog") == (
        1, [["changelog", "FAILED", "CHANGELOG.md: v0.1.0 is tagged, and its date is still 'unreleased'"]],
    )  # fmt: skip
    edit(repository / "CHANGELOG.md", "## 0.1.0, unreleased", "## 0.1.0, 2026-12-01")
    assert told(repository, "changelog") == (0, [["changelog", "ok", "0.1.0, 2026-12-01"]])


def test_a_check_that_is_none_is_told(repository: Path):
    ended = subprocess.run(
        [".ci/release-check", "everything"], cwd=repository, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("release-check: 'everything' is not one of committed version ")
    assert ended.stderr.count("\n") == 1
