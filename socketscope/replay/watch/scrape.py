"""Reading a `/metrics` page, and what happened between two readings."""

import contextlib
import http.client
import math
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping

from prometheus_client.parser import text_string_to_metric_families

from socketscope.excerpt import escaped
from socketscope.replay.measure import instruments as replay
from socketscope.replay.wire.reasons import reason
from socketscope.views import instruments as server

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]
"""Values by name and labels."""

KINDS = {"server": server.BUILD.name, "replay": replay.BUILD.name}
"""What a program of this project is known by."""

TIMEOUT = 2.0
"""Seconds for a page to come; one that takes longer is of no use here."""

_LONGEST = 16 << 20
_PIECE = 65536
_LARGEST = 1e200
"""Beyond it stand NaN, infinity and what may become infinite in a sum: no figure can be made of these."""

_TOLD = 100
"""Characters of what a stranger says, at most."""

# Metrics are asked of whoever the URL names; a proxy that the environment is set for knows no loopback.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Unusable(Exception):  # noqa: N818 - what a page is, no fault of the program
    """There is no page, or it is not one of this project's; the text says which, and may quote a stranger."""

    def __init__(self, problem: str) -> None:
        super().__init__(escaped(problem.strip()))


class Unreachable(Unusable):
    """Nobody answers; somebody may later."""


def fetch(url: str) -> Samples:
    """Return what a page says.

    Raises:
        Unreachable: Nobody answers.
        Unusable: What answers is something else.
    """
    try:
        with _opener.open(url, timeout=TIMEOUT) as answer:
            text = _whole(answer, time.monotonic() + TIMEOUT).decode("utf-8")
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            raise Unusable(f"answers {error.code} {error.reason}") from error
    except (OSError, http.client.IncompleteRead) as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(cause, TimeoutError):
            raise Unreachable(f"no answer within {TIMEOUT:g} s") from error
        raise Unreachable(reason(cause) if isinstance(cause, BaseException) else cause) from error
    except UnicodeDecodeError as error:
        raise Unusable("is not a page of metrics") from error
    except (ValueError, http.client.InvalidURL) as error:  # or one that it redirects to
        raise Unusable("is not a URL that can be fetched") from error
    except http.client.HTTPException as error:
        raise Unusable(f"does not speak HTTP: {str(error)[:_TOLD]}") from error
    return parse(text)


def _whole(answer: http.client.HTTPResponse, until: float) -> bytes:
    """Return a page, of which each piece may come in time and all of it never.

    Raises:
        IncompleteRead: Its end did not come: what has come of a figure is another figure.
        TimeoutError: It did not come in time.
    """
    page = b""
    while len(page) < _LONGEST and (piece := answer.read1(_PIECE)):
        page += piece
        if time.monotonic() > until:
            raise TimeoutError
    if answer.length:
        raise http.client.IncompleteRead(page, answer.length)
    return page


def parse(text: str) -> Samples:
    """Return what a page in Prometheus' text format says, without values of which no figure can be made.

    Raises:
        Unusable: The text is not such a page.
    """
    try:
        return {
            (
                sample.name,
                frozenset((name, escaped(value)) for name, value in sample.labels.items()),
            ): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if abs(sample.value) < _LARGEST
        }
    except (ValueError, KeyError, IndexError, OverflowError) as error:
        raise Unusable("is not a page of metrics") from error


def kind(samples: Samples) -> str:
    """Return which of `KINDS` a page is of.

    Raises:
        Unusable: It is of none of them.
    """
    names = {name for name, _ in samples}
    for known, name in KINDS.items():
        if name in names:
            return known
    raise Unusable("has metrics, but none of socketscope's server or replay")


def increases(before: Samples, after: Samples) -> Samples:
    """Return by how much counters grew. A lower one began again from 0, as at a restart."""
    return {
        key: value - earlier if value >= (earlier := before.get(key, value)) else value
        for key, value in after.items()
    }


def combined(pages: Iterable[Samples]) -> Samples:
    """Return the sums over pages."""
    sums: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for page in pages:
        for key, value in page.items():
            sums[key] = sums.get(key, 0.0) + value
    return sums


def total(samples: Samples, name: str) -> float:
    """Return the sum of a metric's samples."""
    return sum(value for (known, _), value in samples.items() if known == name)


def by_label(samples: Samples, name: str, label: str) -> dict[str, float]:
    """Return the sums of a metric's samples for each value of a label."""
    sums: dict[str, float] = {}
    for (known, labels), value in samples.items():
        if known == name and (of := dict(labels).get(label)) is not None:
            sums[of] = sums.get(of, 0.0) + value
    return sums


def quantile(share: float, samples: Samples, name: str) -> float | None:
    """Return a histogram's quantile in seconds, None where it has no observations.

    As Prometheus' histogram_quantile has it: durations are taken as evenly spread within a bucket, and those
    above the last edge as on it.
    """
    edges = sorted(_buckets(samples, name).items())
    if not edges or edges[-1][1] <= 0:
        return None
    rank = share * edges[-1][1]
    low, below = 0.0, 0.0
    for edge, count in edges:
        if count >= rank and count > below:
            return low if edge == float("inf") else low + (edge - low) * (rank - below) / (count - below)
        low, below = edge, count
    return low


def within(seconds: float, samples: Samples, name: str) -> float | None:
    """Return the share of a histogram's observations within one of its edges; None where it has none."""
    counts = _buckets(samples, name)
    whole = counts.get(float("inf"), 0.0)
    return counts[seconds] / whole if whole > 0 and seconds in counts else None


def _buckets(samples: Samples, name: str) -> dict[float, float]:
    """Return how many observations of a histogram are within each edge; an edge that is no number is none."""
    counts: dict[float, float] = {}
    for label, count in by_label(samples, f"{name}_bucket", "le").items():
        with contextlib.suppress(ValueError):
            if not math.isnan(edge := float(label)):
                counts[edge] = count
    return counts
