"""JSON of the log: by orjson, except on a free-threaded interpreter, whose lock that would turn on."""

from collections.abc import Callable
from typing import Any

from socketscope.interpreter import FREE_THREADED
from socketscope.views.lines import plain_json

loads: Callable[[bytes], Any]

if FREE_THREADED:
    dumps, loads = plain_json.dumps, plain_json.loads
else:
    import orjson

    loads, _dumps, _UTC = orjson.loads, orjson.dumps, orjson.OPT_UTC_Z

    def dumps(value: Any, default: Callable[[Any], Any]) -> bytes:
        """Return a value as JSON; `default` replaces a value of a type that JSON lacks."""
        # Not a `partial`, which makes a dictionary for each line. By keyword, as a program may have put its
        # own `partial` in place of orjson's function before this was loaded: Glances does.
        return _dumps(value, default=default, option=_UTC)
