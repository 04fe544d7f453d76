"""What a Markdown text tells its reader to do: commands to type, programs to write, addresses to open."""

import re

_TOLD = re.compile(
    r"^```(?P<language>\w*)\n(?P<block>.*?)^```$|`(?P<inline>[^`]+)`|<(?P<address>http://localhost[^>]+)>",
    re.MULTILINE | re.DOTALL,
)
_COMMENT = re.compile(r"(^|\s{2,})#.*$", re.MULTILINE)
_COMMAND = re.compile(r"[A-Za-z.][^\s:]*\s+\S")
"""Two words, of which the first may be a program, or a variable set for one; no option begins so."""


def told(text: str) -> list[str]:
    """Return all that a reader is told, in order.

    Commands are lines of `sh` blocks, continued ones as one, and inline code of two words or more. A block in
    another language is one thing to do, except for pictures.
    """
    things: list[str] = []
    for found in _TOLD.finditer(text):
        if found["language"] == "sh":
            lines = _COMMENT.sub("", found["block"]).replace("\\\n", " ").splitlines()
            things += [" ".join(line.split()) for line in lines if line.strip()]
        elif found["block"] is not None:
            things += [found["block"]] if found["language"] != "mermaid" else []
        elif found["address"]:
            things.append(found["address"])
        elif _COMMAND.match(found["inline"]):
            things.append(" ".join(found["inline"].replace(r"\|", "|").split()))
    return things


def title(thing: str) -> str:
    """Return what names a thing to do: its first line."""
    return thing.partition("\n")[0]
