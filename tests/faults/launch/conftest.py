from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def buffered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have standard streams buffered, as they are unless asked otherwise."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


@pytest.fixture
def program(request: pytest.FixtureRequest, tmp_path: Path):
    """Write a program, which begins with its module's HEAD if that has one; return its path."""

    def write(text: str, name: str = "program.py") -> Path:
        path = tmp_path / name
        path.write_text(getattr(request.module, "HEAD", "") + text)
        return path

    return write
