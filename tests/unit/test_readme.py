"""What README.md tells its reader to do is found and expected by tests; its options are the server's."""

import re

import click

from server.cli import command
from socketscope.units import parse_duration
from tests.integration.expectations import EXPECTED, README
from tests.integration.readme import title, told


def test_all_that_is_told_is_expected_and_nothing_else():
    assert set(map(title, told(README))) == EXPECTED.keys()


def test_commands_are_found_as_they_stand():
    text = (
        "```sh\nmake a   # why\n\n# now\npython b \\\n    --c 'p > 1'\n```\n"
        "| `echo d \\| nc e` | `f`, `--g H` | <http://localhost:1/i> | <https://example.org> |\n"
        "A line's end in `docker compose\nup`, then `A_PORT=1 B_PORT=2` and `@set c d`.\n"
        "```mermaid\nj\n```\n```python\nimport k\n\nl = 1\n```\n```\n> m\n```\n"
    )
    assert told(text) == [
        "make a", "python b --c 'p > 1'", "echo d | nc e", "http://localhost:1/i", "docker compose up",
        "A_PORT=1 B_PORT=2", "import k\n\nl = 1\n", "> m\n",
    ]  # fmt: skip


def test_the_server_s_options_and_their_defaults_are_those_of_the_table():
    table = README.partition("\n## The server\n")[2].partition("\n## ")[0]
    listed: dict[str, float | str] = {}
    for options, defaults in re.findall(r"^\| (`--.*?) \| (.*?) \|", table, re.MULTILINE):
        flags, values = re.findall(r"--[\w-]+", options), defaults.replace("`", "").split(", ")
        listed |= dict(zip(flags, map(alike, values * (len(flags) // len(values))), strict=True))
    options = [each for each in command.params if isinstance(each, click.Option) and each.name != "version"]
    assert listed == {
        flag: alike(default(each)) for each in options for flag in (*each.opts, *each.secondary_opts)
    }


def default(option: click.Option) -> str:
    """Return a default as `--help` shows it."""
    match option.show_default, option.to_info_dict()["default"]:
        case str(shown), _:
            return shown
        case _, True:
            return option.opts[0].removeprefix("--")
        case _, [only]:
            return str(only)
        case _, value:
            return str(value).lower()


def alike(value: str) -> float | str:
    """Return a number of seconds, or of what else, however it is written; a text as it is."""
    try:
        return parse_duration(value)
    except ValueError:
        return value
