"""Loading the handler that ``--handler`` names; what is printed meanwhile becomes lines of the log."""

import importlib
import os
import socketserver
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from socketscope.excerpt import in_words
from socketscope.views.lines.printed import output_descriptor, printed_lines
from socketscope.views.lines.rendering import Form
from socketscope.views.log import Log


def load_handler(text: str, form: Form, level: str) -> type[socketserver.BaseRequestHandler]:
    """Return the class that ``MODULE:CLASS`` names; what its module prints goes to the log.

    Raises:
        ValueError: It cannot be loaded, or is not a request handler.
    """
    module, separator, name = text.partition(":")
    if not separator:
        raise ValueError(f"{text!r} is not MODULE:CLASS")
    try:
        with _printed_as_lines(form, level):
            loaded = getattr(importlib.import_module(module), name)
    except BaseException as error:  # a module may end the program, or try to
        told = in_words(error).splitlines()[0].removesuffix(": ")
        raise ValueError(f"cannot load {text!r}: {told}") from error
    if not (isinstance(loaded, type) and issubclass(loaded, socketserver.BaseRequestHandler)):
        raise ValueError(f"{text!r} is not a request handler")  # noqa: TRY004 - an option's value
    return loaded


@contextmanager
def _printed_as_lines(form: Form, level: str) -> Iterator[None]:
    log = Log(form, level)
    put: Callable[[bytes], object] = log.printed
    try:
        with printed_lines(lambda line: put(line)):  # noqa: PLW0108 - `put` is replaced below
            yield
    finally:
        # A child process that was started meanwhile may still print; `run` will make lines of that.
        put = _print
        log.close()


def _print(line: bytes) -> None:
    os.write(output_descriptor(), line)
