"""What an observed server allows its clients: one declaration for the library and the programs' options."""

from dataclasses import dataclass, field, fields
from typing import Any, Literal

LONGEST = 1e9
"""Seconds, 31 years; use ``None`` for a limit that never applies."""


def _limit(default: Any, meaning: str, *, unit: str = "seconds", program: Any = None) -> Any:
    """Declare a limit: its default in the library, what it means, and the programs' default if it differs."""
    metadata = {"help": meaning, "unit": unit, "program": default if program is None else program}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits at the socket, which hold for any handler. Durations are seconds, and ``None`` is no limit.

    A handler sees a missed deadline as a `TimeoutError` from its socket.
    """

    max_connections: int = _limit(
        1000, "Most connections served at once, over all listeners.", unit="connections"
    )
    when_full: Literal["refuse", "queue"] = _limit(
        "refuse", "Above the limit: refuse a connection, or leave it in the kernel's backlog.", unit="-"
    )
    read_timeout: float | None = _limit(
        None,
        "Longest wait for the bytes of one request, up to its reply; the handler's own work is not counted.",
        program=10.0,
    )
    write_timeout: float | None = _limit(
        None, "Longest time that a client may take nothing of a waiting reply.", program=10.0
    )
    idle_timeout: float | None = _limit(
        None, "Longest silence between requests, or in a stream that never had a reply.", program=60.0
    )
    drain_delay: float = _limit(0.0, "On a stop: how long clients are still accepted while /readyz is 503.")
    drain_grace: float = _limit(1.0, "On a stop: how long a client that has sent nothing may still send.")
    drain_timeout: float = _limit(20.0, "On a stop: how long clients have to finish before they are forced.")

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            TypeError: A limit is not a number.
            ValueError: A limit is negative or longer than `LONGEST`, or nobody could be served.
        """
        for limit in fields(self):
            value, unit = getattr(self, limit.name), limit.metadata["unit"]
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if unit != "-" and not is_number and (value, limit.default) != (None, None):
                raise TypeError(f"{limit.name} is {value!r}: it must be a number of {unit}")
        if self.when_full not in {"refuse", "queue"}:
            raise ValueError(f"when_full is {self.when_full!r}: it must be 'refuse' or 'queue'")
        if not self.max_connections >= 1:  # as NaN is not
            raise ValueError(f"max_connections is {self.max_connections}: it must be at least 1")
        if self.max_connections % 1 > 0:
            raise ValueError(f"max_connections is {self.max_connections}: it must be a whole number")
        for limit in fields(self):
            seconds = getattr(self, limit.name)
            if limit.metadata["unit"] != "seconds" or seconds is None:
                continue
            given = f"{limit.name} is {str(seconds).removesuffix('.0')} s"
            if limit.default is None and not 0 < seconds <= LONGEST:
                raise ValueError(f"{given}: it must be more than 0 and at most {LONGEST:g}; None is no limit")
            if not 0 <= seconds <= LONGEST:
                raise ValueError(f"{given}: it must be from 0 to {LONGEST:g}")
