"""The plug-in, in a pytest of its own; this project's own pytest has no use for it."""

import socketserver
import subprocess
import sys
import threading
from pathlib import Path

import pytest

# A run of pytest in this process forgets the modules that it was the first to import, of which others know.
import socketscope.commands.replay  # noqa: F401

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[3]
CONFTEST = """
import pytest

@pytest.fixture({options})
def talk_target(request):
    return {url}
"""


class Parrots(socketserver.ThreadingTCPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Parrot)
        self.heard: list[bytes] = []


class Parrot(socketserver.StreamRequestHandler):
    server: Parrots

    def handle(self):
        for line in self.rfile:
            self.server.heard.append(line)
            self.wfile.write(b"+" + line)


@pytest.fixture
def parrots():
    with Parrots() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def url(parrots):
    return f"tcp://127.0.0.1:{parrots.server_address[1]}"


@pytest.fixture(autouse=True)
def _scripts(pytester):
    (pytester.path / "good.talk").write_text("@connect pass\n> hello\n< +hello\n")
    (pytester.path / "wrong.talk").write_text(
        "@connect pass\n== greet\n> hello\n< +hello\n\n== ask\n> what\n< +that\n"
    )


def run(pytester, *options):
    return pytester.runpytest("-p", "pytest_socketscope", "-p", "no:cacheprovider", *options)


def test_each_script_is_a_test_of_the_server_that_the_option_names(pytester, parrots, url):
    result = run(pytester, "--talk-target", url, "-v")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["good.talk::good PASSED*", "wrong.talk::wrong FAILED*"])
    assert parrots.heard == [b"hello\r\n", b"hello\r\n", b"what\r\n"]


def test_a_failure_is_what_replay_shows_and_nothing_else(pytester, url):
    result = run(pytester, "--talk-target", url, "--junitxml", "report.xml", "wrong.talk")
    shown = [
        "first failure: wrong.talk:8, mismatch, step ask",
        "  > hello",
        "  < +hello",
        "  > what",
        "  expected  '+that'",
        "  got       '+what'",
        "              ^",
    ]
    begin = result.stdout.lines.index(shown[0])
    assert result.stdout.lines[begin : begin + len(shown)] == shown
    assert "Traceback" not in result.stdout.str()
    assert "pytest_socketscope" not in result.stdout.str()
    report = (pytester.path / "report.xml").read_text()
    assert 'classname="wrong.talk" name="wrong"' in report
    assert "  got       '+what'" in report


def test_a_fixture_says_which_server(pytester, url):
    pytester.makeconftest(CONFTEST.format(options="scope='session'", url=repr(url)))
    run(pytester, "good.talk").assert_outcomes(passed=1)


@pytest.mark.parametrize("scope", ["function", "class", "module", "package", "session"])
def test_the_fixture_has_any_scope(pytester, url, scope):
    pytester.makeconftest(CONFTEST.format(options=f"scope={scope!r}", url=repr(url)))
    run(pytester).assert_outcomes(passed=1, failed=1)


def test_a_fixture_with_parameters_makes_as_many_tests(pytester, url):
    other = "tcp://localhost:" + url.rpartition(":")[2]
    pytester.makeconftest(
        CONFTEST.format(options=f"params=[{url!r}, {other!r}], ids=['v4', 'name']", url="request.param")
    )
    result = run(pytester, "-v", "-k", "good")
    result.stdout.fnmatch_lines(["good.talk::good[[]v4] PASSED*", "good.talk::good[[]name] PASSED*"])


def test_the_option_goes_before_the_fixture_which_is_not_set_up(pytester, url):
    pytester.makeconftest(CONFTEST.format(options="", url="1 / 0"))
    run(pytester, "--talk-target", url, "good.talk").assert_outcomes(passed=1)


def test_a_fixture_is_for_the_scripts_of_its_folder(pytester, url):
    folder = pytester.mkdir("served")
    (folder / "conftest.py").write_text(CONFTEST.format(options="", url=repr(url)))
    (folder / "other.talk").write_text("@connect pass\n> hello\n< +hello\n")
    result = run(pytester, "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["served/other.talk::other PASSED*"])


def test_without_a_server_no_script_is_collected(pytester):
    pytester.makepyfile("def test_of_something_else(): pass")
    run(pytester).assert_outcomes(passed=1)


def test_a_script_that_is_named_needs_a_server(pytester):
    result = run(pytester, "good.talk")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["good.talk needs a server: --talk-target URL, or a fixture talk_target"])


def test_a_script_that_is_wrong_is_an_error_that_shows_where(pytester, url):
    (pytester.path / "bad.talk").write_text("> hello\n<< hello\n")
    result = run(pytester, "--talk-target", url, "bad.talk")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["bad.talk:2:*", "    << hello"])


def test_a_variable_that_is_not_set_fails_the_scripts_that_need_it_and_no_others(pytester, url):
    (pytester.path / "login.talk").write_text("> ${env:SURELY_NOT_SET}\n")
    result = run(pytester, "--talk-target", url, "good.talk", "login.talk")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["login.talk:1:3: SURELY_NOT_SET is not in the environment"])


def test_a_fixture_may_set_what_a_script_takes_from_the_environment(pytester, parrots, url):
    (pytester.path / "login.talk").write_text("@eol lf\n> ${env:SET_BY_FIXTURE}\n")
    pytester.makeconftest(f"""
import pytest

@pytest.fixture
def talk_target(monkeypatch):
    monkeypatch.setenv("SET_BY_FIXTURE", "sesame")
    return {url!r}
""")
    run(pytester, "login.talk").assert_outcomes(passed=1)
    assert parrots.heard == [b"sesame\n"]


def test_a_fixture_that_changes_the_folder_changes_no_scripts_name(pytester, url):
    pytester.makeconftest(f"""
import pytest

@pytest.fixture
def talk_target(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return {url!r}
""")
    run(pytester, "wrong.talk").stdout.fnmatch_lines(["first failure: wrong.talk:8, mismatch, step ask"])


def test_a_script_that_no_such_server_can_answer_is_a_failure(pytester, url):
    (pytester.path / "greeted.talk").write_text("< hello\n> hello\n")
    result = run(pytester, "--talk-target", url, "greeted.talk")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["greeted.talk expects the server to speak first: *"])


def test_a_message_in_two_lines_is_told_why_the_first_waits(pytester, url):
    (pytester.path / "two.talk").write_text(
        "@connect pass\n@timeout 10ms\n@eol none\n> hello\n> there\n< +hello\n"
    )
    result = run(pytester, "--talk-target", url, "two.talk")
    result.stdout.fnmatch_lines(
        ["first failure: two.talk:4, timeout", "  expected  a line, as no < follows; see @reply"]
    )


def test_nobody_there_is_a_failure(pytester, url, parrots):
    parrots.server_close()
    result = run(pytester, "--talk-target", url, "good.talk")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Connection refused*"])


def test_silence_is_a_failure(pytester, url):
    for script in pytester.path.glob("*.talk"):
        script.unlink()
    (pytester.path / "silent.talk").write_text("@eol none\n@timeout 10ms\n> hello\n< +hello\n")
    result = run(pytester, "--talk-target", url)
    result.assert_outcomes(failed=1)


def test_a_wrong_url_is_told_in_a_line(pytester):
    result = run(pytester, "--talk-target", "localhost:6379")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --talk-target: 'localhost:6379' is not an address*"])


def test_a_fixture_that_returns_no_url_is_told_in_a_line(pytester):
    pytester.makeconftest(CONFTEST.format(options="", url="None"))
    result = run(pytester, "good.talk")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["talk_target: None is not a URL"])
    result.stdout.no_fnmatch_line("During handling*")


def test_what_is_not_installed_is_told_with_what_brings_it(pytester, monkeypatch):
    absent = pytester.mkdir("absent")
    (absent / "rich.py").write_text("raise ModuleNotFoundError(name='rich')")
    monkeypatch.setenv("PYTHONPATH", f"{absent}:{ROOT}")
    pytester.makeconftest(CONFTEST.format(options="", url="'tcp://127.0.0.1:1'"))
    result = pytester.runpytest_subprocess("-p", "pytest_socketscope", "good.talk")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["rich is not installed: pip install 'socketscope[[]client[]]' brings it"])


def test_pytest_loads_nothing_of_the_package_for_it():
    program = (
        "import sys, pytest; known = {*sys.modules}; "
        "import pytest_socketscope; print(*{*sys.modules} - known)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert loaded.split() == ["pytest_socketscope"]
