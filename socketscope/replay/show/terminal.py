"""What a terminal is fit for."""

from typing import TextIO

from rich.console import Console


def can_be_redrawn(stream: TextIO) -> bool:
    """Return whether what stands there can be written over: in no file, and not under ``TERM=dumb``."""
    return stream.isatty() and not Console(file=stream).is_dumb_terminal
