"""The dashboards' JSON, as it is committed."""

from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana import overview, replay, server

FOLDER = Path(__file__).parent / "dashboards"

PAGES = {FOLDER / f"{page.name}.json": page for page in (overview.PAGE, server.PAGE, replay.PAGE)}


def render(path: Path) -> str:
    """Return the JSON of a file."""
    return str(JSONEncoder(sort_keys=True, indent=2).encode(PAGES[path].build())) + "\n"
