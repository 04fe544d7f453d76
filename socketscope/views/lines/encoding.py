"""JSON of the log: by orjson, unless that would turn on the lock that this interpreter is without."""

from collections.abc import Callable
from functools import partial
from typing import Any

from socketscope.interpreter import FREE_THREADED
from socketscope.views.lines import plain_json

dumps: Callable[..., bytes]
loads: Callable[[bytes], Any]

if FREE_THREADED:
    dumps, loads = plain_json.dumps, plain_json.loads
else:
    import orjson

    dumps, loads = partial(orjson.dumps, option=orjson.OPT_UTC_Z), orjson.loads
