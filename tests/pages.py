"""What stands in a page of the documents for its reader to type."""

import re
from pathlib import Path

_LOG = Path(__file__).parents[1] / "docs/log.md"
_ROW = re.compile(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \| (.*) \|$", re.MULTILINE)


def blocks(text: str, language: str = "sh") -> list[str]:
    """Return a page's blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def shell_lines(text: str) -> list[str]:
    """Return the lines of a page's blocks of shell, continued ones as one."""
    return "".join(blocks(text)).replace("\\\n", " ").splitlines()


def log_fields() -> tuple[dict[str, list[str]], list[str]]:
    """Return the fields of each event, and those that any line may have, as the page of the log has them."""
    events, fields = _LOG.read_text(encoding="utf-8").split("\n| Field |")
    of_events = {name: re.findall(r"\w+", names) for name, _, names in _ROW.findall(events)}
    return of_events, [name for name, of, _ in _ROW.findall(fields) if not of.startswith("`")]
