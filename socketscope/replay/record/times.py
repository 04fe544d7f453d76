"""Finds times, dates and durations, which will differ at the next replay. No I/O."""

import re
import time
from contextlib import suppress

NEAR = 30 * 24 * 3600.0
"""Seconds; a number of seconds since 1970 counts as a time if it is this near to now."""

_CLOCK = r"\d\d:\d\d:\d\d"
_FRACTION = r"\.\d+|,\d{3}"  # after a comma, other than three digits may be the next value of a row
_FORMS = (
    rf"\w{{3}} \w{{3}} [ \d]\d {_CLOCK} \d{{4}}",  # as C's ctime and asctime write it
    rf"\w{{3}} \w{{3}} [ \d]\d {_CLOCK} [A-Z]{{3,5}} \d{{4}}",  # as `date` does
    rf"\w{{3}} \w{{3}} [ \d]\d \d{{4}} (?:at )?{_CLOCK}",  # IRC's servers
    rf"\w{{3}}, [ \d]?\d \w{{3}} \d{{4}} {_CLOCK}",  # RFC 5322, section 3.3, and HTTP
    rf"[ \d]?\d[ -]\w{{3}}[ -]\d{{4}} {_CLOCK}",  # the same without a weekday, and IMAP
    rf"\d{{4}}[-/]\d\d[-/]\d\d[T ]{_CLOCK}(?:{_FRACTION})?",  # RFC 3339, and the logs of Python and Go
    rf"\d\d/\w{{3}}/\d{{4}}:{_CLOCK}",  # the logs of HTTP servers
    r"\d{8}T\d{6}",  # ISO 8601 in its short form
    rf"\w{{3}} [ \d]\d {_CLOCK}",  # RFC 3164
    rf"{_CLOCK}(?:{_FRACTION})",
    _CLOCK,
    r"\d+\.\d+(?: \+ \d+\.\d+)* ?(?:m?s|m?secs?|seconds)\b",  # how long something took
)
_UPTIME = r"uptime\w*[: ] ?\d+"
_DATES = {"%Y-%m-%d": r"\d{4}-\d\d-\d\d", "%Y%m%d": r"\d{8}", "%Y%m%d%H%M%S": r"\d{14}"}
"""Forms of a date, without or with a time, that count only if they are near now."""

_SECONDS = r"\d{10}(?:\d{3}|\d{6}|\d{9})?"
"""Since 1970; with milliseconds, microseconds, nanoseconds."""

# Six pairs of digits with colons are the address of a network card.
FINDER = re.compile(
    "|".join(
        [
            *(rf"(?<![\w:]){form}(?![\d:])" for form in (*_FORMS, _UPTIME)),
            *(rf"(?<!\d){form}(?!\d)" for form in (*_DATES.values(), _SECONDS)),
        ]
    ),
    re.ASCII,  # a Chinese character may come right before a time
)
"""Finds what may be a time."""


def expression(text: str) -> str | None:
    """Return the regular expression for what `FINDER` has found; None if it is no time after all."""
    for form in _FORMS:
        if re.fullmatch(form, text):
            return form
    if re.fullmatch(_UPTIME, text):
        return re.sub(r"\d+\Z", r"\\d+", text)
    if re.fullmatch(_SECONDS, text):
        return rf"\d{{{len(text)}}}" if abs(int(text[:10]) - time.time()) < NEAR else None
    for form, digits in _DATES.items():
        with suppress(ValueError, OverflowError):
            if abs(time.mktime(time.strptime(text, form)) - time.time()) < NEAR:
                return digits
    return None
