"""The page of `--report`, opened in a browser as its readers do."""

import shutil
import subprocess

import pytest

from tests.faults.replay.test_replay import echo, nobody, replay, run, serving, write

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ONE = "> hello ${seq}\n< hello ${seq}\n"


@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: Debian's package chromium is not installed")
def test_it_opens_in_a_browser(tmp_path):
    page, picture = tmp_path / "out.html", tmp_path / "out.png"
    with serving(echo) as target:
        options = ("--rate", "50", "--duration", "2s", "--report", str(page))
        assert replay(write(tmp_path, ONE + "> x\n< y\n"), target, *options)[0] == 1
    browser = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
        "--enable-logging=stderr", "--window-size=1120,1900", f"--screenshot={picture}", page.as_uri(),
    ]  # fmt: skip
    ended = subprocess.run(browser, capture_output=True, text=True, timeout=60, check=True)
    assert "CONSOLE" not in ended.stderr
    # An empty page of this size takes a tenth of that.
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 60_000
    shown = subprocess.run(
        [*browser[:-2], "--dump-dom", browser[-1]], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    assert ">FAIL</div>" in shown
    assert "x.talk:4" in shown


def test_a_page_that_cannot_be_written_is_told_before_the_run(tmp_path):
    path = tmp_path / "absent" / "out.html"
    ended = run("replay", write(tmp_path, ONE), "--target", nobody(), "--report", str(path))
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr == f"client: --report {path} cannot be written: No such file or directory\n"


def test_an_older_page_is_replaced_at_the_end(tmp_path):
    path = tmp_path / "out.html"
    path.write_text("old" * 100_000)
    with serving(echo) as target:
        assert replay(write(tmp_path, ONE), target, "--report", str(path))[0] == 0
    assert path.read_text().startswith("<!DOCTYPE html>")
    assert path.read_text().endswith("</html>\n")
