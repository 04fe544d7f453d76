"""Writes the reference pages: `python -m docs`."""

from docs.reference import PAGES

if __name__ == "__main__":
    for path, render in PAGES.items():
        path.write_text(render(), encoding="utf-8")
