"""The figures that `top` shows: tiles, curves, failures and notes, summed over replicas. No I/O."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass

from socketscope.observe.outcomes import EXPECTED_OUTCOMES
from socketscope.replay.measure import figures
from socketscope.replay.measure import instruments as replay
from socketscope.replay.watch.replicas import Look
from socketscope.replay.watch.scrape import Samples, by_label, combined, quantile, total, within
from socketscope.views import instruments as server

OBJECTIVE = 0.01
"""Seconds that a response may take, as on the dashboards (docs/slo.md)."""

GOOD, WARNING, BAD, PLAIN = "green", "yellow", "red", "default"


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure with a title above and a detail below.

    Attributes:
        title: The name of the figure.
        value: The value with its unit.
        below: The detail.
        colour: Colour of the value.
        is_now: Whether it is from the last look alone, and not from the last `LATELY` seconds.
    """

    title: str
    value: str
    below: str = ""
    colour: str = PLAIN
    is_now: bool = False


@dataclass(frozen=True, slots=True)
class Curve:
    """A figure that is drawn over time.

    Attributes:
        title: The name of the figure.
        value: The value since the look before, or at the last look.
        show: Formats a value with its unit.
        colour: Colour of the chart.
        is_now: Whether it is from the last look alone, and not from the time since the look before.
    """

    title: str
    value: float | None
    show: Callable[[float | None], str]
    colour: str
    is_now: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    """What is shown for all replicas of a kind.

    Attributes:
        kind: One of `scrape.KINDS`.
        looks: What is known of each replica.
        tiles: Figures of the last seconds, then current ones.
        curves: What is drawn over time, the most important first.
        failures: For each kind of failure, the rate a second lately, and the total.
        notes: Further figures, in the same order.
    """

    kind: str
    looks: Sequence[Look]
    tiles: Sequence[Tile]
    curves: Sequence[Curve]
    failures: Mapping[str, tuple[float, float]]
    notes: Sequence[Tile]


def boards(looks: Sequence[Look]) -> list[Board]:
    """Return a board for each kind of which there are replicas."""
    made = []
    for kind, make in (("server", _of_servers), ("replay", _of_replays)):
        if of_kind := [look for look in looks if look.kind == kind]:
            made.append(make(of_kind))
    return made


class _Sums:
    """Sums over the replicas that answer; None if nothing is known."""

    def __init__(self, looks: Sequence[Look]) -> None:
        up = [look for look in looks if look.up]
        self.page: Samples = combined(look.page for look in up)
        self.step: Samples = combined(look.step for look in up)
        self.lately: Samples = combined(look.lately for look in up)

    def now(self, name: str) -> float | None:
        """Return the current value of a metric."""
        return total(self.page, name) if self.page else None

    def rate(self, name: str) -> float | None:
        """Return the rate of a metric over the last seconds, per second."""
        return total(self.lately, name) if self.lately else None

    def last(self, *names: str) -> float | None:
        """Return the summed rate of metrics since the look before, per second."""
        return sum(total(self.step, name) for name in names) if self.step else None

    def quantiles(self, name: str) -> tuple[str, str]:
        """Return p99 and p50 of a histogram over the last seconds, as text for a tile."""
        p50, p99 = (figures.duration(quantile(share, self.lately, name)) for share in (0.5, 0.99))
        return p99, f"p50 {p50}"

    def failures(
        self, name: str, label: str, served: Container[str] = (), prefix: str = ""
    ) -> dict[str, tuple[float, float]]:
        """Return failures per second lately, and in total, by a label, without those that never happened."""
        lately = by_label(self.lately, name, label)
        return {
            prefix + of: (lately.get(of, 0.0), ever)
            for of, ever in by_label(self.page, name, label).items()
            if ever and of not in served
        }

    def lost(self, name: str, title: str) -> dict[str, tuple[float, float]]:
        """Return the same for a counter without such a label."""
        ever = self.now(name)
        return {title: (self.rate(name) or 0.0, ever)} if ever else {}


def _of_servers(looks: Sequence[Look]) -> Board:
    sums = _Sums(looks)
    ended = by_label(sums.lately, server.CLOSED.name, "outcome")
    ended |= by_label(sums.lately, server.REJECTED.name, "reason")
    for nobodys in ("empty", "verify"):  # the objectives leave out both, too
        ended.pop(nobodys, None)
    bad, share = _failing(ended, EXPECTED_OUTCOMES)
    p99 = quantile(0.99, sums.lately, server.RESPONSE.name)
    quick = within(OBJECTIVE, sums.lately, server.RESPONSE.name)
    threads = by_label(sums.page, server.THREADS.name, "state")
    tiles = [
        Tile("Connections", figures.rate(sums.rate(server.ACCEPTED.name)),
             f"exchanges {figures.rate(sums.rate(server.EXCHANGES.name))}"),
        Tile("Not served", figures.share(share), figures.rate(bad), _graded(share, 0.01, 0.05)),
        Tile("Response p99", *sums.quantiles(server.RESPONSE.name), _graded(p99, OBJECTIVE, 0.1)),
        Tile("Within 10 ms", figures.share(quick), "of responses",
             _graded(None if quick is None else 1 - quick, 0.001, 0.01)),
        Tile("Open", figures.count(sums.now(server.OPEN.name)),
             f"of {figures.count(sums.now(server.LIMIT.name))}", is_now=True),
        Tile("Threads", f"{figures.count(threads.get('busy'))} busy",
             f"{figures.count(threads.get('idle'))} idle", is_now=True),
    ]  # fmt: skip
    curves = [
        Curve("connections", sums.last(server.ACCEPTED.name), figures.rate, GOOD),
        Curve("response p99", quantile(0.99, sums.step, server.RESPONSE.name), figures.duration, "cyan"),
        Curve("open", sums.now(server.OPEN.name), _level, "blue", is_now=True),
        Curve("bytes in and out", sums.last(server.RECEIVED.name, server.SENT.name), _speed, "magenta"),
    ]
    failures = {
        **sums.failures(server.CLOSED.name, "outcome", EXPECTED_OUTCOMES),
        **sums.failures(server.DATAGRAMS.name, "outcome", EXPECTED_OUTCOMES, "datagrams "),
        **sums.failures(server.REJECTED.name, "reason", prefix="rejected "),
        **sums.failures(server.ACCEPT_ERRORS.name, "error", prefix="accept "),
        **sums.lost(server.DATAGRAMS_LOST.name, "datagrams lost"),
        **sums.lost(server.LOG_DROPPED.name, "log lines dropped"),
    }
    datagrams = Tile("datagrams", figures.rate(sums.rate(server.DATAGRAMS.name)))
    notes = [
        *[datagrams] * bool(by_label(sums.page, server.DATAGRAMS.name, "outcome")),
        Tile("in", _speed(sums.rate(server.RECEIVED.name))),
        Tile("out", _speed(sums.rate(server.SENT.name))),
        Tile("waiting to be accepted", figures.count(sums.now(server.QUEUE_LENGTH.name)), is_now=True),
    ]
    return Board("server", looks, tiles, curves, failures, notes)


def _of_replays(looks: Sequence[Look]) -> Board:
    sums = _Sums(looks)
    bad, share = _failing(by_label(sums.lately, replay.EXCHANGES.name, "outcome"), ("ok",))
    asked = sums.now(replay.TARGET_RATE.name)
    lag = max((total(look.page, replay.SCHEDULE_LAG.name) for look in looks if look.up), default=None)
    service = sums.quantiles(replay.EXCHANGE_DURATION.name)
    target = intended = (figures.NONE, "") if asked is None else ("none", "closed loop")
    if asked:
        intended = sums.quantiles(replay.EXCHANGE_INTENDED_DURATION.name)
        target = figures.rate(asked), f"lag {figures.duration(lag)}"
    tiles = [
        Tile("Exchanges", figures.rate(sums.rate(replay.EXCHANGES.name)),
             f"passes {figures.rate(sums.rate(replay.PASSES.name))}"),
        Tile("Failed", figures.share(share), figures.rate(bad), _graded(share, 0.01, 0.05)),
        Tile("Service p99", *service),
        Tile("Intended p99", *intended),
        Tile("Users", figures.count(sums.now(replay.USERS.name)),
             f"{figures.count(sums.now(replay.OPEN_CONNECTIONS.name))} open", is_now=True),
        Tile("Target rate", *target, is_now=True),
    ]  # fmt: skip
    curves = [
        Curve("exchanges", sums.last(replay.EXCHANGES.name), figures.rate, GOOD),
        Curve(
            "service p99", quantile(0.99, sums.step, replay.EXCHANGE_DURATION.name), figures.duration, "cyan"
        ),
        Curve("users", sums.now(replay.USERS.name), _level, "blue", is_now=True),
        Curve("bytes in and out", sums.last(replay.RECEIVED.name, replay.SENT.name), _speed, "magenta"),
    ]
    failures = {
        **sums.failures(replay.EXCHANGES.name, "outcome", ("ok",)),
        **sums.lost(replay.PASSES_DROPPED.name, "passes dropped"),
    }
    notes = [
        Tile("in", _speed(sums.rate(replay.RECEIVED.name))),
        Tile("out", _speed(sums.rate(replay.SENT.name))),
    ]
    return Board("replay", looks, tiles, curves, failures, notes)


def _failing(ended: Mapping[str, float], served: Container[str]) -> tuple[float | None, float | None]:
    """Return how many per second did not end well, and their share."""
    whole = sum(ended.values())
    bad = sum(rate for outcome, rate in ended.items() if outcome not in served)
    return (bad if ended else None), (bad / whole if whole else None)


def _graded(value: float | None, warning: float, bad: float) -> str:
    if value is None:
        return PLAIN
    return BAD if value > bad else WARNING if value > warning else GOOD


def _speed(a_second: float | None) -> str:
    return figures.NONE if a_second is None else f"{figures.size(a_second)}/s"


def _level(number: float | None) -> str:
    """Return a count, or half of one, as text."""
    return figures.NONE if number is None else f"{number:,.10g}"
