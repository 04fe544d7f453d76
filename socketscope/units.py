"""Durations and sizes as people write them: ``500ms``, ``2m``, ``64KiB``."""

import re
from decimal import Decimal

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*(us|µs|ms|s|m|h|)")
_PER_SECOND = {"us": 1_000_000, "µs": 1_000_000, "ms": 1000}
_SECONDS = {"m": 60, "h": 3600}

_SIZE = re.compile(r"([0-9]{1,18})\s*(B|KiB|MiB|GiB|)")
_BYTES = {"B": 1, "": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

YEAR = 366 * 24 * 3600.0
"""Seconds, longer than anything that is waited for."""


def parse_duration(text: str) -> float:
    """Return a duration in seconds; a bare number is seconds.

    Raises:
        ValueError: It is not a number followed by us, ms, s, m or h.
    """
    if not (match := _DURATION.fullmatch(text.strip())):
        raise ValueError(f"{text!r} is not a duration: write it like 500ms, 30s or 2m")
    # By a division, since 13 * 0.001 is not 0.013.
    return float(match[1]) * _SECONDS.get(match[2], 1) / _PER_SECOND.get(match[2], 1)


def format_duration(seconds: float) -> str:
    """Return a duration in a short form that `parse_duration` reads back."""
    for suffix, unit in (("m", 60.0), ("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        text = f"{seconds / unit:.0f}{suffix}"
        if seconds >= unit and parse_duration(text) == seconds:
            return text
    return f"{Decimal(repr(seconds)).normalize():f}s"  # never with an exponent


def parse_size(text: str) -> int:
    """Return a size in bytes; a bare number is bytes.

    Raises:
        ValueError: It is not a whole number followed by B, KiB, MiB or GiB.
    """
    if not (match := _SIZE.fullmatch(text.strip())):
        raise ValueError(f"{text!r} is not a size: write it like 8192, 64KiB or 1MiB")
    return int(match[1]) * _BYTES[match[2]]
