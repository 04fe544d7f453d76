"""What is wrong with a script, and where. No I/O."""

from rich.cells import cell_len

from socketscope.excerpt import escaped, excerpt

_LONGEST = 10_000
"""Characters of a line that is shown as a whole."""

_AROUND = 100
"""Characters that are shown of a longer one, on either side of the place where something is wrong."""

_TOLD = 300
"""Characters that are then shown of what is wrong, which may quote the line."""


class TextError(ValueError):
    """A text makes no sense.

    Attributes:
        offset: Where in the text, from 0.
    """

    def __init__(self, problem: str, offset: int = 0) -> None:
        super().__init__(problem)
        self.offset = offset


class ScriptError(Exception):
    """Something in a script makes no sense.

    Its text is ``file:line:column: what is wrong``, the line, of a long one what is around the column, and a
    caret below that; of a file as a whole, which has no such place, ``file: what is wrong``.
    """

    def __init__(self, file: str, problem: str, line: int = 0, column: int = 1, source: str = "") -> None:
        file = escaped(file)
        if not line:
            super().__init__(f"{file}: {problem}")
            return
        before, after = source[: column - 1], source[column - 1 :]
        if len(source) > _LONGEST:
            problem = excerpt(problem, _TOLD)
            before = before if len(before) <= _AROUND else f"…{before[-_AROUND:]}"
            after = after if len(after) <= _AROUND else f"{after[:_AROUND]}…"
        caret = " " * cell_len(escaped(before)) + "^"
        shown = escaped(before + after)
        super().__init__(f"{file}:{line}:{column}: {problem}\n    {shown}\n    {caret}")
