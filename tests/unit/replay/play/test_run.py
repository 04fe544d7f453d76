"""Whole runs against a server that is a list of durations, on a clock that no test waits for."""

from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any

import pytest

from socketscope.replay.measure.summary import summarize
from socketscope.replay.measure.thresholds import parse_threshold
from socketscope.replay.measure.verdict import compare
from socketscope.replay.play.pacing import parse_shape
from socketscope.replay.play.run import BACKOFF_LONGEST, Plan, Run
from socketscope.replay.script.compiler import load
from socketscope.replay.show.metrics import RunView
from socketscope.replay.wire.loop import Task, Until
from tests.unit.replay.fakes import FakeConnection, FakeLoop, FakeServer

REFUSED = ConnectionRefusedError(111, "Connection refused")


class Played:
    """A run that has ended, its summary, and the server that it was against."""

    def __init__(self, folder: Path, *durations: float, script: str = "> x\n", **options: Any) -> None:
        path = folder / "x.talk"
        path.write_text(script)
        self.loop = FakeLoop()
        self.loop.late = options.pop("late", 0.0)
        self.server = FakeServer(
            self.loop, *durations, then=options.pop("then", 0.001), connect=options.pop("connecting", ()),
            says_more_after=options.pop("says_more_after", inf),
        )  # fmt: skip
        programs = load(path) * options.pop("programs", 1)
        stop_at = options.pop("stop_at", None)
        options["shape"] = parse_shape(options.get("shape", "constant"))
        options.setdefault("duration", None if "loops" in options else 10.0 + options.get("warmup", 0.0))
        self.plan = Plan(**({"users": 1, "connect": "user", "seed": 1} | options))
        self.run = Run(programs, self.server, self.plan, self.loop)
        if stop_at is not None:
            self.loop.start(self._stop(stop_at))
        self.run.play()

    def _stop(self, seconds: float) -> Task:
        yield Until(self.loop.now() + seconds)
        self.loop.time += self.loop.late
        self.run.stop()

    @property
    def summary(self) -> Any:
        return summarize(
            self.run.ledger, target="", mode="", seed=1, seconds=self.run.seconds,
            target_rate=self.plan.rate, thresholds=(), with_connect=self.plan.connect == "message",
            scripts={}, drawn_rate=self.run.drawn_rate,
        )  # fmt: skip

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.server.heard]


def test_an_open_loop_sends_when_it_is_due_whatever_the_server_does(tmp_path):
    played = Played(tmp_path, rate=10, users=4, then=0.25, duration=2.0)
    assert played.times == pytest.approx([n / 10 for n in range(20)], abs=1e-6)
    assert played.summary.lag == {"p99": pytest.approx(0, abs=2e-6), "max": pytest.approx(0, abs=2e-6)}
    assert played.summary.trustworthy


@pytest.mark.parametrize(
    ("shape", "duration", "due"),
    [
        ("ramp:from=0.2,over=1s", 1.3, 9),
        ("wave:period=2s,low=0.2", 4.0, 24),
        ("wave:period=60s,low=0", 120.0, 600),
    ],
)
def test_what_is_due_when_the_time_is_over_does_not_begin(tmp_path, shape, duration, due):
    played = Played(tmp_path, rate=10, users=2, shape=shape, duration=duration)
    assert (len(played.times), played.summary.dropped) == (due, 0)


def test_a_stall_is_in_the_intended_durations_of_all_who_waited_and_in_one_service_duration(tmp_path):
    played = Played(tmp_path, 0.01, 2.0, rate=50, duration=10.0, then=0.01)
    summary = played.summary
    assert (summary.service["p99"], summary.service["max"]) == pytest.approx((0.01, 2.0), rel=2e-3)
    # Due at 0.02 s and served at 2.02 s; the next was due 20 ms later and is served 10 ms later, and so on.
    assert summary.intended["max"] == pytest.approx(2.0, rel=2e-3)
    assert summary.intended["p50"] == pytest.approx(0.01, rel=2e-3)
    assert summary.intended["p90"] == pytest.approx(1.505, rel=0.02)
    assert (summary.dropped, summary.passes) == (0, 500)


def test_passes_that_found_no_free_user_before_the_end_were_dropped(tmp_path):
    summary = Played(tmp_path, rate=10, then=1.0, duration=4.5).summary
    assert (summary.ok, summary.in_flight, summary.dropped) == (4, 1, 40)
    assert summary.attempted == 5
    assert not summary.rate_held


@pytest.mark.parametrize("grace", [0.0, 5.0])
def test_a_pass_whose_user_was_free_was_not_dropped_by_a_generator_that_comes_late(tmp_path, grace):
    summary = Played(tmp_path, rate=1000, users=50, late=0.005, duration=1.0, grace=grace).summary
    assert (summary.passes + summary.in_flight, summary.dropped) == (1000, 0)
    assert summary.rate_held
    assert summary.lag["max"] >= 0.005


@pytest.mark.parametrize("duration", [9.0, None])
def test_a_pass_whose_user_was_free_was_not_dropped_by_a_generator_that_a_signal_stops(tmp_path, duration):
    summary = Played(tmp_path, rate=1000, users=50, late=0.005, duration=duration, stop_at=0.5).summary
    assert (summary.dropped, summary.rate_held) == (0, True)
    assert summary.passes + summary.in_flight == 506  # one each millisecond, up to 0.505 s


@pytest.mark.parametrize(
    "options",
    [
        {"rate": 5, "loops": 1, "users": 10, "then": 1.0},
        {"rate": 5, "loops": 2, "users": 5, "then": 0.9, "poisson": True},
        {"rate": 5, "loops": 10, "users": 1, "then": 0.001},
        {"rate": 5, "duration": 2.0, "users": 10, "then": 1.0, "grace": 0.1},
        {"rate": 5, "warmup": 2.0, "duration": 4.0, "users": 20, "then": 1.9, "grace": 5.0},
    ],
)
def test_the_rate_is_that_of_the_passes_that_began_while_they_were_due(tmp_path, options):
    played = Played(tmp_path, **options)
    assert played.summary.rate_held
    assert played.summary.achieved_rate == pytest.approx(5, rel=0.3 if "poisson" in options else 0.12)


@pytest.mark.parametrize("grace", [0.0, 5.0])
@pytest.mark.parametrize(("warmup", "seconds"), [(0.0, 3.0), (1.0, 5.0), (3.0, 5.0), (5.0, 9.0)])
def test_the_rate_of_a_closed_loop_is_what_the_server_did_in_the_time_that_counts(
    tmp_path, warmup, seconds, grace
):
    options = {"users": 10, "then": 2.0, "warmup": warmup, "duration": seconds, "grace": grace}
    summary = Played(tmp_path, **options).summary
    # Five a second, but for those that had no time to end.
    unended = 0.0 if grace else 10 * (seconds % 2) / 2
    assert summary.achieved_rate == pytest.approx(5 - unended / (seconds - warmup), rel=0.02)


@pytest.mark.parametrize("rate", [None, 5])
def test_a_run_that_ends_within_its_warm_up_has_no_rate(tmp_path, rate):
    assert Played(tmp_path, warmup=9.0, loops=2, rate=rate).summary.achieved_rate == 0.0


def test_a_closed_loop_that_hangs_at_its_end_has_the_rate_that_it_had(tmp_path):
    summary = Played(tmp_path, *[0.1] * 95, 5.0, duration=10.0, grace=5.0).summary
    assert (summary.passes, summary.achieved_rate) == (96, pytest.approx(9.51, rel=1e-3))


@pytest.mark.parametrize("end", [{"duration": 5.0}, {"loops": 5}])
def test_a_random_schedule_is_held_where_all_that_it_asked_for_came_be_it_few(tmp_path, end):
    options = {"rate": 10, "users": 10, "poisson": True, **end}
    played = [Played(tmp_path, seed=seed, **options) for seed in range(20)]
    assert min(one.summary.achieved_rate for one in played) < 9
    assert all(one.summary.rate_held for one in played)


def test_a_random_schedule_is_not_held_where_passes_come_late(tmp_path):
    options = {"rate": 10, "poisson": True, "then": 0.3, "loops": 20, "users": 2}
    assert not any(Played(tmp_path, seed=seed, **options).summary.rate_held for seed in range(20))


def test_a_rate_is_not_held_where_the_last_passes_began_late(tmp_path):
    summary = Played(tmp_path, rate=5, loops=5, users=2, then=1.0).summary
    # Two at a time, a second each: the last two of the ten, due at 1.6 and 1.8 s, began at 4 s.
    assert (summary.passes, summary.rate_held) == (10, False)
    assert summary.achieved_rate == pytest.approx(10 / 4.2, rel=1e-3)


def test_a_late_pass_is_no_lag_of_the_generator_as_no_user_was_free(tmp_path):
    played = Played(tmp_path, 0.01, rate=10, then=0.15, duration=3.0)
    assert played.summary.lag["max"] == pytest.approx(0, abs=2e-6)
    assert played.summary.intended["max"] > 0.9


def test_the_share_of_dropped_passes_is_of_all_that_were_due(tmp_path):
    played = Played(tmp_path, rate=10, then=1.0, duration=4.5)
    condition = parse_threshold("dropped > 1%")
    # 45 were due, of which five began.
    assert compare([condition], played.run.ledger, 4.5) == ["dropped > 1% (88.89 %)"]


def test_loops_are_of_each_user_and_each_script(tmp_path):
    assert Played(tmp_path, users=3, loops=2, programs=2).summary.passes == 12
    assert Played(tmp_path, users=3, loops=2, programs=2, rate=100).summary.passes == 12


def test_the_warm_up_is_in_no_figure(tmp_path):
    played = Played(tmp_path, 0.6, 0.6, 0.6, warmup=2.0, duration=2.9, then=0.3)
    assert played.summary.service["max"] == pytest.approx(0.3, rel=2e-3)
    assert (played.summary.ok, played.summary.passes) == (3, 3)
    assert played.run.ledger.passes == 6
    assert played.run.seconds == pytest.approx(0.9)
    assert played.run.ledger.steps["main"].outcomes["ok"] == 6


def test_the_share_of_dropped_passes_is_of_those_due_after_the_warm_up(tmp_path):
    played = Played(tmp_path, then=0.5, rate=10, warmup=2.0, duration=3.0)
    condition = parse_threshold("dropped > 99%")
    assert compare([condition], played.run.ledger, 1.0) == ["dropped > 99% (100 %)"]


def test_what_was_due_in_the_warm_up_was_not_dropped(tmp_path):
    assert Played(tmp_path, 60.0, rate=10, warmup=2.0, duration=3.0).summary.dropped == 10


def test_users_think_between_their_passes_and_not_after_the_last(tmp_path):
    played = Played(tmp_path, loops=3, think=1.0, then=0.5)
    assert played.times == [0.0, 1.5, 3.0]
    assert played.run.seconds == pytest.approx(3.5)
    assert Played(tmp_path, rate=10, think=1.0, then=0.5, duration=4.0).times == [0.0, 1.5, 3.0]


def test_a_shape_without_a_rate_is_of_the_users_at_work(tmp_path):
    played = Played(tmp_path, users=4, shape="steps:count=4,every=2s", duration=8.0, then=0.05, think=0.05)
    began = [sum(low <= at < low + 2 for at in played.times) for low in (0, 2, 4, 6)]
    for users, passes in enumerate(began, start=1):
        assert passes == pytest.approx(20 * users, rel=0.1)
    assert played.run.ledger.users == 0


def test_each_user_begins_with_another_script_and_is_at_work_until_all_were_played(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.talk").write_text(f"> {name}\n")
    loop = FakeLoop()
    server = FakeServer(loop, 0.1, 9.0)
    run = Run(load(tmp_path), server, Plan(users=2, connect="user", loops=1, seed=1), loop)
    at_work = []

    def look() -> Task:
        for seconds in (0.05, 1.0):
            yield Until(loop.now() + seconds)
            at_work.append(run.ledger.users)

    loop.start(look())
    run.play()
    assert [data for _, data in server.heard] == [b"a\r\n", b"b\r\n", b"b\r\n", b"a\r\n"]
    assert at_work == [2, 1]


def test_passes_were_due_until_one_more_would_have_been(tmp_path):
    played = Played(tmp_path, rate=5, loops=1, users=10, then=1.0)
    assert played.run.seconds == pytest.approx(2.0)


def test_who_is_refused_waits_longer_each_time_and_a_second_at_most(tmp_path):
    played = Played(tmp_path, connecting=[REFUSED] * 12, duration=60.0, think=1.0)
    gaps = [b - a - played.plan.think for a, b in pairwise(played.server.attempts[:13])]
    for number, gap in enumerate(gaps):
        longest = min(0.05 * 2**number, BACKOFF_LONGEST)
        assert longest / 2 <= gap <= longest
    # Each is one exchange, of the step that wanted the connection, and one pass.
    summary = played.summary
    assert summary.outcomes["refused"] == 12
    assert summary.passes == summary.ok + 12
    assert summary.failures[0].first.got == "Connection refused"
    assert played.run.ledger.connections == {
        "ok": 1, "refused": 12, "reset": 0, "connect_timeout": 0, "dns_error": 0, "no_port": 0,
        "tls_error": 0,
    }  # fmt: skip


def test_after_a_connection_that_succeeds_the_next_refusal_waits_little_again(tmp_path):
    played = Played(
        tmp_path, connecting=[REFUSED] * 6 + [0.0, REFUSED], duration=60.0, connect="pass", loops=9, then=0.0
    )
    assert played.server.attempts[8] - played.server.attempts[7] <= 0.05


@pytest.mark.parametrize(
    ("connect", "connections", "longest"), [("message", 4, 0.35), ("pass", 2, 0.05), ("user", 1, 0.05)]
)
def test_a_connection_is_a_part_of_the_exchange_only_where_each_message_has_its_own(
    tmp_path, connect, connections, longest
):
    played = Played(tmp_path, script="> a\n> b\n", connect=connect, connecting=[0.3] * 4, loops=2, then=0.05)
    assert len(played.server.attempts) == played.server.closed == connections
    assert played.run.ledger.connect.sum == pytest.approx(0.3 * connections)
    assert played.summary.service["max"] == pytest.approx(longest, rel=2e-3)


def test_the_seed_decides_on_everything_random(tmp_path):
    def heard(seed: int) -> list[tuple[float, bytes]]:
        script = "pause 1ms..90ms\n> ${random:hex:8}\n"
        options = {"rate": 20, "poisson": True, "users": 3, "duration": 5.0, "then": 0.01}
        return Played(tmp_path, script=script, seed=seed, **options).server.heard

    assert heard(1) == heard(1)
    assert heard(1) != heard(2)


def test_an_exchange_that_the_end_meets_is_in_flight_and_one_in_a_pause_behind_its_reply_is_not(tmp_path):
    waiting = Played(tmp_path, script="> a\n> b\n", duration=1.0, then=0.7).summary
    assert (waiting.ok, waiting.failed, waiting.in_flight, waiting.passes) == (1, 0, 1, 0)
    paused = Played(tmp_path, script="> a\npause 5s\n> b\n", duration=1.0, then=0.7).summary
    assert (paused.ok, paused.failed, paused.in_flight) == (1, 0, 0)
    between = Played(tmp_path, script="> a\n< a\npause 5s\n< a\n", duration=1.0, then=0.7).summary
    assert (between.ok, between.failed, between.in_flight) == (0, 0, 1)


def test_a_failure_ends_the_pass_and_its_connection(tmp_path):
    played = Played(tmp_path, 9.0, script="@timeout 1s\n> a\n> b\n", loops=2)
    assert played.summary.outcomes["timeout"] == 1
    assert [data for _, data in played.server.heard] == [b"a\r\n", b"a\r\n", b"b\r\n"]
    assert len(played.server.attempts) == played.server.closed == 2


@pytest.mark.parametrize(
    ("pause", "shortest", "longest"), [("50ms", 0.05, 0.05), ("20ms..80ms", 0.02, 0.08), ("~50ms", 0.0, inf)]
)
def test_a_pause_is_as_long_as_it_says_a_random_one_on_average(tmp_path, pause, shortest, longest):
    played = Played(tmp_path, script=f"> x\npause {pause}\n", then=0.0, loops=1000)
    gaps = [after - before for before, after in pairwise(played.times)]
    assert shortest - 1e-5 < min(gaps)
    assert max(gaps) < longest + 1e-5
    assert sum(gaps) / len(gaps) == pytest.approx(0.05, rel=0.1)


def test_a_client_that_only_waits_is_not_busy(tmp_path):
    assert Played(tmp_path, duration=1.0).run.busy == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("warmup", [0.0, 10.0])
def test_how_busy_it_was_says_nothing_of_the_warm_up(tmp_path, monkeypatch, warmup):
    send = FakeConnection.send

    def take_as_long_as_the_server(connection, data):
        connection._loop.time += 0.001
        return send(connection, data)

    monkeypatch.setattr(FakeConnection, "send", take_as_long_as_the_server)
    assert Played(tmp_path, warmup=warmup).run.busy == pytest.approx(0.5, rel=0.01)


def test_stopped_before_it_began_it_plays_nothing(tmp_path):
    path = tmp_path / "x.talk"
    path.write_text("> x\n")
    loop = FakeLoop()
    server = FakeServer(loop)
    run = Run(load(path), server, Plan(users=2, connect="user", seed=1), loop)
    run.stop()
    run.play()
    assert server.attempts == []


def test_its_metrics_are_described_as_they_are_collected(tmp_path):
    view = RunView(Played(tmp_path, loops=1).run)
    described = {(family.name, family.type) for family in view.describe()}
    assert described == {(family.name, family.type) for family in view.collect()}


def test_a_schedule_asks_for_no_more_when_its_time_is_over_and_users_without_a_pass_leave(tmp_path):
    class Watched(Played):
        def _stop(self, seconds: float) -> Task:
            self.asked = []
            for at in (seconds, 3 * seconds):
                yield Until(self.run.began + at)
                self.asked.append((self.run.target_rate, self.run.ledger.users))

    watched = Watched(tmp_path, rate=5, users=9, then=3.0, duration=1.0, grace=5.0, stop_at=0.5)
    # Five still play, and one has not looked up since it took the pass of 1.6 s.
    assert (watched.asked, watched.run.target_rate) == ([(5.0, 9), (0.0, 6)], 0.0)


def test_passes_under_way_at_the_end_have_the_grace_to_end_in_and_no_other_begins(tmp_path):
    played = Played(tmp_path, duration=1.0, grace=5.0, then=0.7)
    assert played.times == [0.0, 0.7]
    assert (played.summary.ok, played.summary.in_flight) == (2, 0)
    assert played.run.seconds == pytest.approx(1.0)
    assert played.run.lasted == pytest.approx(1.4)
    thinking = Played(tmp_path, duration=1.0, grace=5.0, then=0.7, think=2.0)
    assert thinking.times == [0.0]
    assert thinking.run.lasted == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("then", "options"),
    [
        (0.1, {"loops": 1}),
        (0.1, {"duration": 1.0, "think": 2.0}),
        (0.995, {"duration": 1.0, "think": 2.0}),
        (0.7, {"duration": 0.5, "grace": 5.0, "think": 2.0}),
        (0.7, {"duration": 0.5, "grace": 0.71, "think": 2.0}),
        (0.1, {"duration": 1.0, "rate": 0.5}),
    ],
)
def test_however_a_run_ends_a_connection_that_is_kept_must_be_silent_after_its_last_pass(
    tmp_path, then, options
):
    played = Played(tmp_path, then=then, says_more_after=0.015, **options)
    assert (played.summary.ok, played.summary.outcomes["unexpected_data"]) == (1, 1)
    assert played.run.lasted < options.get("duration", 0.1) + 0.7 + 0.05
    assert played.server.closed == 1


def test_a_run_that_is_stopped_looks_at_what_has_come_and_waits_for_no_more(tmp_path):
    for says_more_after, expected in ((0.3, 1), (0.8, 0)):
        options = {"then": 0.1, "think": 9.0, "duration": None, "stop_at": 0.5}
        played = Played(tmp_path, says_more_after=says_more_after, **options)
        assert played.summary.outcomes["unexpected_data"] == expected
        assert played.run.lasted == pytest.approx(0.5)


def test_the_schedule_ends_before_the_grace_does(tmp_path):
    played = Played(tmp_path, rate=2, users=3, then=0.7, duration=1.0, grace=5.0)
    assert played.times == pytest.approx([0.0, 0.5], abs=1e-6)
    assert (played.summary.ok, played.summary.dropped) == (2, 0)
    late = Played(tmp_path, rate=10, then=0.7, duration=1.0, grace=5.0)
    assert (late.summary.ok, late.summary.dropped) == (2, 8)


def test_what_is_still_unanswered_counts_with_its_age_and_is_no_pass(tmp_path):
    summary = Played(tmp_path, 0.1, 60.0, script="@timeout 1m\n> x\n", duration=1.0, grace=2.0).summary
    assert (summary.ok, summary.in_flight, summary.unanswered) == (1, 1, (pytest.approx(2.9),))
    assert summary.service["max"] == pytest.approx(2.9, rel=2e-3)
    assert summary.reasons == ("1 exchange was unanswered at the end, after 2.90 s",)
    assert summary.lower_bounds == {"timeout": 0, "unanswered": 1}


def test_what_the_end_met_before_it_was_late_is_no_stall(tmp_path):
    assert Played(tmp_path, duration=1.0, then=0.6).summary.reasons == ()
    slow = Played(tmp_path, script="@timeout 1m\n> x\n", duration=5.0, then=2.0).summary
    assert (slow.in_flight, slow.unanswered, slow.reasons) == (1, (pytest.approx(1.0),), ())
    pausing = Played(tmp_path, script="> a\n< a\npause 5s\n< a\n> b\n", duration=4.0, then=0.5).summary
    assert (pausing.in_flight, pausing.unanswered) == (1, ())
    assert pausing.reasons == ("no exchange ended ok",)


def test_what_timed_out_counts_in_the_durations_with_how_long_it_waited(tmp_path):
    played = Played(tmp_path, 0.1, 9.0, 9.0, script="@timeout 2s\n> x\n", loops=4, then=0.1)
    assert played.summary.outcomes["timeout"] == 2
    assert played.summary.service["p90"] == pytest.approx(2.0, rel=2e-3)
    assert played.summary.lower_bounds == {"timeout": 2, "unanswered": 0}
    # Prometheus has its own contract: exchanges that ended ok.
    assert sum(played.run.ledger.steps["main"].service.counts) == 2


@pytest.mark.parametrize("connect", ["message", "user"])
def test_what_could_not_connect_in_time_counts_in_the_durations_too(tmp_path, connect):
    summary = Played(tmp_path, loops=2, connect=connect, connecting=(TimeoutError(),)).summary
    assert summary.outcomes["connect_timeout"] == summary.ok == 1
    assert summary.service["max"] == pytest.approx(5.0, rel=2e-3)
    assert summary.lower_bounds == {"timeout": 1, "unanswered": 0}


@pytest.mark.parametrize("poisson", [False, True])
def test_a_rate_that_nobody_can_reach_is_counted_at_once(tmp_path, poisson):
    options = {"rate": 2e9, "duration": 1e6, "then": 5e5, "poisson": poisson}
    summary = Played(tmp_path, script="@timeout 1000h\n> x\n", **options).summary
    assert summary.dropped + summary.passes == pytest.approx(2e15, rel=1e-6)


def test_what_a_random_schedule_dropped_is_about_what_was_due(tmp_path):
    summary = Played(tmp_path, rate=10, duration=20.0, then=60.0, poisson=True).summary
    assert summary.dropped == pytest.approx(200, abs=60)
