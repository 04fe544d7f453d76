"""Writes the dashboards' JSON: `python -m grafana`."""

from grafana.files import PAGES, render

if __name__ == "__main__":
    for path in PAGES:
        path.write_text(render(path), encoding="utf-8")
