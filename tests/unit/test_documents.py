"""What the documents name is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
FOLDERS = "|".join(each.name for each in sorted(TESTS.iterdir()) if (each / "__init__.py").exists())
PATHS = re.compile(rf"`(?:tests/)?((?:{FOLDERS})(?:/[\w/]+(?:\.py)?)?)`")
CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)

PAGES = [
    *sorted(ROOT.glob("docs/**/*.md")),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
]
NAMED = [
    pytest.param(path, id=f"{page.name}:{path}")
    for page in PAGES
    for path in dict.fromkeys(PATHS.findall(page.read_text(encoding="utf-8")))
]
LINKS = [
    pytest.param(page, link, id=f"{page.name}:{link}")
    for page in PAGES
    for link in dict.fromkeys(re.findall(r"\]\(((?!https?:)[^)]+)\)", CODE.sub("", page.read_text("utf-8"))))
]
CHANGES = (ROOT / "docs/socketserver.md").read_text(encoding="utf-8").partition("\n## ")[0]
ROWS = re.findall(r"^\| (.+?) \|.*\| (.*) \|$", CHANGES, re.MULTILINE)


@pytest.mark.parametrize("path", NAMED)
def test_a_test_that_a_page_names_exists(path):
    assert (TESTS / path).exists()


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_a_link_leads_to_a_file_and_a_section_that_are_there(page, link):
    path, _, section = link.partition("#")
    there = page.parent / path if path else page
    assert there.exists()
    if section:
        headings = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
        # As GitHub makes them.
        assert section in [re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings]


@pytest.mark.parametrize(("what", "where"), [pytest.param(*row, id=row[0]) for row in ROWS])
def test_each_difference_from_the_standard_library_names_its_test(what, where):
    assert PATHS.fullmatch(where), what
