"""JSON of the log: by orjson, but for a free-threaded interpreter, whose lock it would turn on."""

from collections.abc import Callable
from typing import Any

from socketscope.interpreter import FREE_THREADED
from socketscope.views.lines import plain_json

loads: Callable[[bytes], Any]

if FREE_THREADED:
    dumps, loads = plain_json.dumps, plain_json.loads
else:
    import orjson

    loads = orjson.loads

    def dumps(value: Any, default: Callable[[Any], Any]) -> bytes:
        """Return a value in JSON; what it has none for is what `default` makes of it."""
        # Not a `partial`: with a keyword it makes a dictionary for each line.
        return orjson.dumps(value, default, orjson.OPT_UTC_Z)
