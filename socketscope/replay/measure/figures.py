"""Figures as text for people: three digits and a unit, or a dash for no figure."""

NONE = "-"
_BYTES = ("B", "kB", "MB", "GB", "TB")
_TIMES = ((1e-6, 0.9995e-3, "µs"), (1e-3, 0.9995, "ms"), (1.0, float("inf"), "s"))
_DECIMALS = ((9.995, 2), (99.95, 1))
_THOUSAND = 1000
_MINUTE = 60
_HOUR = 3600
_LEAST_SHARE = 1e-4


def duration(seconds: float | None) -> str:
    """Return a duration: ``87.0 µs``, ``4.21 ms``, ``1.50 s``."""
    if seconds is None:
        return NONE
    unit, _, name = next(time for time in _TIMES if seconds < time[1])
    return f"{_three_digits(seconds / unit)} {name}"


def edge(seconds: float) -> str:
    """Return a round duration without trailing zeros: ``500 µs``, ``1 ms``, ``1,000 s``."""
    unit, _, name = next(time for time in _TIMES if seconds < time[1])
    return f"{float(f'{seconds / unit:.3g}'):,.10g} {name}"


def clock(seconds: float) -> str:
    """Return a length of time: ``12 s``, ``3:05 min``, ``1:00:09 h``."""
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}:{whole % _MINUTE:02} min"
    return f"{whole // _HOUR}:{whole % _HOUR // _MINUTE:02}:{whole % _MINUTE:02} h"


def count(number: float | None) -> str:
    """Return a count with thousands separators: ``12,345``."""
    return NONE if number is None else f"{number:,.0f}"


def rate(a_second: float | None) -> str:
    """Return a rate: ``0.25/s``, ``412/s``."""
    if a_second is None:
        return NONE
    return f"{_three_digits(a_second)}/s" if a_second else "0/s"


def size(number: float | None) -> str:
    """Return a number of bytes: ``512 B``, ``1.25 MB``."""
    if number is None:
        return NONE
    unit = 0
    while number >= _THOUSAND and unit < len(_BYTES) - 1:
        number /= _THOUSAND
        unit += 1
    return f"{_three_digits(number) if unit else round(number)} {_BYTES[unit]}"


def share(part: float | None) -> str:
    """Return a share as a percentage, never rounded to 0 or 100: ``99.98 %``, ``< 0.01 %``."""
    if part is None:
        return NONE
    if 0 < part < _LEAST_SHARE:
        return "< 0.01 %"
    if 1 - _LEAST_SHARE < part < 1:
        return "> 99.99 %"
    return f"{part * 100:.2f} %" if 0 < part < 1 else f"{part * 100:.0f} %"


def _three_digits(number: float) -> str:
    decimals = next((decimals for below, decimals in _DECIMALS if number < below), 0)
    return f"{number:,.{decimals}f}"
