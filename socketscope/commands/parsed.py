"""Option types for click, which the server uses too: nothing of a replay is imported here."""

from collections.abc import Callable
from typing import Any

import click


class Integer(click.IntRange):
    """A whole number, which click's own messages would call an integer range."""

    name = "integer"


class Parsed(click.ParamType[Any]):
    """An option's type, made from a function that parses a text or raises ValueError.

    Its name is how help shows a value: a placeholder in capitals, or the words themselves.
    """

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002
        """Return the name as it is: click would have it all in capitals."""
        return self.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the parsed value."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class ParsedLine(Parsed):
    """The same for text with blanks: in the variable of a repeatable option each line is a value."""

    def split_envvar_value(self, rv: str) -> list[str]:
        """Return the values in a variable."""
        return [line for line in rv.splitlines() if line.strip()]
