"""What a terminal can do."""

from typing import TextIO

from rich.console import Console


def can_be_redrawn(stream: TextIO) -> bool:
    """Return whether lines can be redrawn: not in a file, and not with ``TERM=dumb``."""
    return stream.isatty() and not Console(file=stream).is_dumb_terminal
