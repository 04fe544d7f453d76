"""The page of `--report`, opened in a browser as its readers do."""

import re
import shutil
import subprocess
from html import escape
from pathlib import Path

import pytest

from tests.faults.replay.test_replay import echo, nobody, replay, run, serving, write

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ONE = "> hello ${seq}\n< hello ${seq}\n"


needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="needs a browser: Debian's package chromium is not installed"
)


def browse(folder: Path, *options: str) -> str:
    """Run the browser, which must find nothing to complain of in the page; return what it prints."""
    assert CHROMIUM is not None
    browser = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr", *options,
    ]  # fmt: skip
    ended = subprocess.run(browser, capture_output=True, text=True, timeout=60, check=True)
    assert "CONSOLE" not in ended.stderr
    return ended.stdout


@needs_browser
def test_it_opens_in_a_browser(tmp_path):
    page, picture = tmp_path / "out.html", tmp_path / "out.png"
    with serving(echo) as target:
        options = ("--rate", "50", "--duration", "2s", "--report", str(page))
        assert replay(write(tmp_path, ONE + "> x\n< y\n"), target, *options)[0] == 1
    browse(tmp_path, "--window-size=1120,1900", f"--screenshot={picture}", page.as_uri())
    # An empty page of this size takes a tenth of that.
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 60_000
    shown = browse(tmp_path, "--window-size=1120,1900", "--dump-dom", page.as_uri())
    assert ">FAIL</div>" in shown
    assert "x.talk:4" in shown


# The page itself forbids scripts; a copy of it, in a frame of the width to try, may tell how it is laid out.
MEASURE = """
<script>
const names = [...document.querySelectorAll("td:first-child")].map((cell) => cell.offsetWidth);
parent.document.body.dataset.widths = [Math.min(...names), document.documentElement.scrollWidth];
</script>
"""


@needs_browser
@pytest.mark.parametrize("width", [400, 1600])
def test_names_have_room_and_the_page_is_no_wider_than_the_window(tmp_path, width):
    page, frame = tmp_path / "out.html", tmp_path / "frame.html"
    long = f"== {'a-name-without-any-space-' * 3}\n{ONE}"
    with serving(echo) as target:
        assert replay(write(tmp_path, long), target, "--report", str(page))[0] == 0
    text = re.sub(r"<meta http-equiv=.*?>", "", page.read_text()).replace("</body>", f"{MEASURE}</body>")
    frame.write_text(
        f'<iframe width="{width}" height="900" style="border: 0" srcdoc="{escape(text)}"></iframe>'
    )
    shown = browse(tmp_path, "--window-size=1700,900", "--dump-dom", frame.as_uri())
    measured = re.search(r'data-widths="(\d+),(\d+)"', shown)
    assert measured is not None
    name, whole = map(int, measured.groups())
    assert name >= 100
    assert whole == width


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
