"""Regular expressions of a script, which match bytes and may contain variables. No I/O."""

import re
import warnings

from socketscope.replay.script.errors import TextError
from socketscope.replay.script.text import Template, Variable, encode, parse_text

# A character, an escaped one, or a comment or a class as a whole. A class that is never closed takes all the
# rest, as otherwise each bracket in it would be searched to the end again.
_PIECE = re.compile(r"\\.|\(\?#[^)]*\)?|\[\^?\]?(?:\\.|[^\]\\])*\]|\[.*|.", re.DOTALL)


def parse_expression(text: str) -> tuple[Template, tuple[str, ...]]:
    """Return the template of a regular expression, and the names of its groups.

    Raises:
        TextError: The expression, or a variable in it, is wrong.
    """
    template = parse_text(text, escapes=False)
    _check_backslashes(text, template)
    groups = _groups(_probe(text, template))
    parts: list[bytes | Variable] = []
    position = 0
    for variable in (*template.variables, None):
        end = len(text) if variable is None else variable.offset
        parts.append(_as_bytes(text[position:end].replace("$${", "${")))
        if variable is not None:
            parts.append(variable)
            position = end + len(variable.shown)
    return Template(tuple(part for part in parts if part) or (b"",), text), groups


def compile_expression(text: str) -> re.Pattern[bytes]:
    """Return a regular expression without variables, for bytes.

    Raises:
        TextError: The expression is wrong.
    """
    _groups(_probe(text, Template((), text)))
    return re.compile(_as_bytes(text))


def _check_backslashes(text: str, template: Template) -> None:
    for variable in template.variables:
        before = text[: variable.offset]
        if (len(before) - len(before.rstrip("\\"))) % 2:
            raise TextError(
                "a backslash escapes no variable; a literal ${ is written \\$\\{", variable.offset - 1
            )


def _probe(text: str, template: Template) -> str:
    """Return an ASCII expression that is valid if this one is, with any error at the same place.

    Variables, and characters of several bytes, are replaced by quotes of the same length.
    """
    for variable in template.variables:
        size = len(variable.shown)
        text = text[: variable.offset] + "'" * size + text[variable.offset + size :]
    for piece in _PIECE.finditer(text):
        if piece[0].startswith("[") and not piece[0].isascii():
            place, several = next((n, c) for n, c in enumerate(piece[0]) if not c.isascii())
            raise TextError(
                f"{several} is {len(encode(several))} bytes, and a class has single ones",
                piece.start() + place,
            )
    return "".join(character if character.isascii() else "'" for character in text)


def _groups(probe: str) -> tuple[str, ...]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return tuple(re.compile(probe.encode()).groupindex)
    except re.error as error:
        raise TextError(f"not a regular expression: {error.msg}", error.pos or 0) from error
    except (FutureWarning, DeprecationWarning) as warning:
        # A script should not use what a later Python may read differently.
        problem, _, place = str(warning).partition(" at position ")
        raise TextError(f"unclear regular expression: {problem.lower()}", int(place or 0)) from warning
    except (OverflowError, RecursionError) as error:
        raise TextError(f"not a regular expression: {error}") from error
    except ValueError as error:  # the interpreter limits the digits of numbers
        raise TextError("not a regular expression: a number in it has too many digits") from error


def _as_bytes(text: str) -> bytes:
    """Return an expression without variables for bytes, each character of several bytes as a group."""
    return b"".join(
        # A group, so that a star after it applies to all of its bytes.
        piece.encode() if piece.isascii() else b"(?:%s)" % encode(piece.removeprefix("\\"))
        for piece in _PIECE.findall(text)
        if piece.isascii() or not piece.startswith("(")  # a comment
    )
