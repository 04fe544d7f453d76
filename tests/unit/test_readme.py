"""What README.md tells its reader to do is found, and expected by the tests that do it."""

from tests.integration.expectations import EXPECTED, README, SYNTAX
from tests.integration.readme import title, told


def test_all_that_is_told_is_expected_and_nothing_else():
    assert set(map(title, told(README))) == EXPECTED.keys() | SYNTAX


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
