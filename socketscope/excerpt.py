"""What is shown of values that are too long to be shown whole."""

from itertools import islice
from typing import Any


def excerpt(text: str, most: int) -> str:
    """Return a text of at most so many characters, or so many of it and how many more it has."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text) - most} characters more)"


def excerpts(value: Any, most: int) -> Any:
    """Return a value with an excerpt of each text in it, and of each mapping so many entries."""
    match value:
        case str():
            return excerpt(value, most)
        case dict():
            kept = {excerpt(key, most): excerpts(each, most) for key, each in islice(value.items(), most)}
            return kept if len(value) <= most else {**kept, "...": f"{len(value) - most} more"}
    return value
