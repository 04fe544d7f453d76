"""The runbook as Prometheus shows it, to which alerts and panels link."""

import itertools
import re
from pathlib import Path

from markdown_it import MarkdownIt

FOLDER = Path(__file__).parent
RUNBOOK = FOLDER.parent / "prometheus" / "pages" / "runbook.html"

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Runbook</title>
<style>
body {{ max-width: 48rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 sans-serif; color-scheme: light dark; }}
pre {{ overflow-x: auto; }}
:target {{ text-decoration: underline; }}
</style>
</head>
<body>
{body}</body>
</html>
"""


def render_runbook() -> str:
    """Return the runbook's page, each section with an anchor."""
    markdown = MarkdownIt()
    # Links to other pages are dropped, as Prometheus does not serve those.
    text = re.sub(r"\[([^]]+)\]\((?!#)[^)]*\)", r"\1", (FOLDER / "runbook.md").read_text(encoding="utf-8"))
    tokens = markdown.parse(text)
    for token, inline in itertools.pairwise(tokens):
        if token.type == "heading_open":
            token.attrSet("id", inline.content.lower().replace(" ", "-"))
    return _PAGE.format(body=markdown.renderer.render(tokens, markdown.options, {}))
