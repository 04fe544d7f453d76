"""Errors in a script, with their place. No I/O."""

from rich.cells import cell_len

from socketscope.excerpt import escaped, excerpt

_LONGEST = 10_000
"""Characters up to which a line is shown as a whole."""

_AROUND = 100
"""Characters of a longer line that are shown on each side of the error."""

_TOLD = 300
"""Characters of the message that are shown then, as it may quote the line."""


class TextError(ValueError):
    """A text is wrong.

    Attributes:
        offset: The place in the text, from 0.
    """

    def __init__(self, problem: str, offset: int = 0) -> None:
        super().__init__(problem)
        self.offset = offset


class ScriptError(Exception):
    """A script is wrong.

    The message is ``file:line:column: what is wrong``, the line, or its part around the column, and a caret
    below. If the whole file is wrong, it is ``file: what is wrong``.
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
