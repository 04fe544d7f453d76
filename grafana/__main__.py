"""Writes the dashboards' JSON: `python -m grafana`."""

from grafana.dashboard import FILE, render

if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
