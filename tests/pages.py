"""What stands in a page of the documents for its reader to type."""

import re


def blocks(text: str, language: str = "sh") -> list[str]:
    """Return a page's blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def shell_lines(text: str) -> list[str]:
    """Return the lines of a page's blocks of shell, continued ones as one."""
    return "".join(blocks(text)).replace("\\\n", " ").splitlines()
