import pytest

from docs.reference import PAGES


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_committed_page_is_the_rendered_one(path):
    assert path.read_text(encoding="utf-8") == PAGES[path](), "run: python -m docs"
