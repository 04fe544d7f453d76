"""Reads `/metrics` pages, and computes figures from them."""

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
"""The metric by which each kind of program is recognised."""

TIMEOUT = 2.0
"""Seconds that a page may take."""

_LONGEST = 16 << 20
_PIECE = 65536
_LARGEST = 1e200
"""Values beyond it are ignored, as are NaN and infinity: a sum of them may be infinite."""

_TOLD = 100
"""The most characters that are quoted of an unknown server's answer."""

# Without the proxy of the environment, which cannot reach loopback.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Unusable(Exception):  # noqa: N818 - a property of a page, not an error of the program
    """There is no page, or it is not one of this project's; the text says which, and may quote the answer."""

    def __init__(self, problem: str) -> None:
        super().__init__(escaped(problem.strip()))


class Unreachable(Unusable):
    """Nothing answers at present."""


def fetch(url: str) -> Samples:
    """Return the values of a page.

    Raises:
        Unreachable: Nothing answers.
        Unusable: The answer is something else.
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
    """Return a whole page, within a time: the timeout of the socket is only for each piece.

    Raises:
        IncompleteRead: Its end did not come; a figure that is cut off would be another figure.
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
    """Return the values of a page in the Prometheus text format, without NaN and infinite ones.

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
    """Return which of `KINDS` a page is from.

    Raises:
        Unusable: It is from none of them.
    """
    names = {name for name, _ in samples}
    for known, name in KINDS.items():
        if name in names:
            return known
    raise Unusable("has metrics, but none of socketscope's server or replay")


def increases(before: Samples, after: Samples) -> Samples:
    """Return the increases of counters; one that is lower than before was reset to 0, as by a restart."""
    return {
        key: value - earlier if value >= (earlier := before.get(key, value)) else value
        for key, value in after.items()
    }


def combined(pages: Iterable[Samples]) -> Samples:
    """Return the sums of all pages."""
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
    """Return a quantile of a histogram in seconds; None if it has no observations.

    As Prometheus' histogram_quantile: it assumes that durations are evenly spread within a bucket, and that
    those above the last edge are equal to it.
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
    """Return the share of the observations of a histogram up to an edge; None if it has none."""
    counts = _buckets(samples, name)
    whole = counts.get(float("inf"), 0.0)
    return counts[seconds] / whole if whole > 0 and seconds in counts else None


def _buckets(samples: Samples, name: str) -> dict[float, float]:
    """Return the observations of a histogram up to each edge, without edges that are not numbers."""
    counts: dict[float, float] = {}
    for label, count in by_label(samples, f"{name}_bucket", "le").items():
        with contextlib.suppress(ValueError):
            if not math.isnan(edge := float(label)):
                counts[edge] = count
    return counts
