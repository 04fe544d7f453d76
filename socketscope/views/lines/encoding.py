"""JSON of the log: by orjson, but for a free-threaded interpreter, whose lock it would turn on."""

from collections.abc import Callable
from typing import Any

from socketscope.interpreter import FREE_THREADED
from socketscope.views.lines import plain_json

dumps: Callable[..., bytes]
loads: Callable[[bytes], Any]

if FREE_THREADED:
    dumps, loads = plain_json.dumps, plain_json.loads
else:
    import orjson

    # No `partial`: with a keyword it makes a dictionary for each line.
    dumps, loads = (lambda value, default: orjson.dumps(value, default, orjson.OPT_UTC_Z)), orjson.loads
