"""`replay`: plays scripts against a server, and reports."""

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from socketscope.addresses import Address
from socketscope.commands.metrics import serve_metrics
from socketscope.commands.mistakes import FAILED, NEVER_CONNECTED, RATE_NOT_HELD
from socketscope.commands.options import DURATION, ENDPOINT, PATH, RATE, TARGET, TLSOptions, tls_options
from socketscope.commands.parsed import Integer, Parsed, ParsedLine
from socketscope.excerpt import escaped
from socketscope.replay.measure.summary import Summary, summarize
from socketscope.replay.measure.thresholds import Threshold, parse_threshold, with_default
from socketscope.replay.play.pacing import CONSTANT, Shape, parse_shape
from socketscope.replay.play.player import misfit
from socketscope.replay.play.run import Plan, Run
from socketscope.replay.play.saying import Hear
from socketscope.replay.script.compiler import load
from socketscope.replay.script.program import Program, told_apart
from socketscope.replay.show.live import LiveView
from socketscope.replay.show.printout import as_text
from socketscope.replay.show.progress import Lines, Progress
from socketscope.replay.show.report import Report, require_writable
from socketscope.replay.show.terminal import can_be_redrawn
from socketscope.replay.signals import Noted

SWITCH_INTERVAL = 0.5e-3
"""Seconds by which a scrape or the progress may delay what is due; Python's own default is 5 ms."""

SEEDS = 1 << 53
"""Bound of a seed from the clock: up to here every JSON parser keeps whole numbers exact."""

MOST_LOOPS = 1_000_000_000
"""Multiplied by all users and scripts, it is still a number that every part of the program can count to."""

SPARE_FILES = 64
"""Open files beside the users' connections."""


@click.command(epilog="Each option is a variable of the environment too: --target is CLIENT_REPLAY_TARGET.")
@click.argument("scripts", nargs=-1, required=True, type=PATH, metavar="SCRIPT...")
@click.option(
    "--target", type=TARGET, required=True, help="tcp://, tls://, unix://, udp:// or unixgram:// URL."
)
@click.option("--users", type=Integer(min=1), default=1, help="Users playing at once.")
@click.option(
    "--connect",
    type=click.Choice(["message", "pass", "user"]),
    help="How long a connection is kept: for a message, a pass, or all that a user plays.  "
    "[default: what the script says, or message]",
)
@click.option(
    "--loops",
    type=Integer(min=1, max=MOST_LOOPS),
    help="How often each user plays each script.  [default: 1]",
)
@click.option("--duration", type=DURATION, help="How long to play.")
@click.option("--forever", is_flag=True, help="Play until stopped.")
@click.option(
    "--rate", type=RATE, help="Passes a second on a schedule (open loop); without it a closed loop."
)
@click.option(
    "--pacing", type=click.Choice(["even", "poisson"]), default="even", help="Gaps of the schedule."
)
@click.option(
    "--shape",
    type=Parsed("SHAPE", parse_shape),
    default="constant",
    help="constant, ramp:from=0,over=30s, wave:period=3m,low=0.2 or steps:count=5,every=30s: "
    "scales the rate, or without one the users.",
)
@click.option(
    "--grace",
    type=DURATION,
    default="5s",
    help="How long passes under way at the end of the duration may take to finish.",
)
@click.option("--think", type=DURATION, default="0s", help="A user's pause between passes.")
@click.option("--warmup", type=DURATION, default="0s", help="Time left out of the figures at the start.")
@click.option("--metrics", type=ENDPOINT, help="Where /metrics is served; port 0 picks a free one.")
@click.option("--linger", type=DURATION, default="0s", help="How long metrics are served after the run.")
@click.option(
    "--summary",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    help="Format of the summary.",
    envvar="CLIENT_REPLAY_SUMMARY",
)
@click.option("--report", type=PATH, help="Write an HTML page about the run.")
@click.option(
    "--fail-on",
    "thresholds",
    type=ParsedLine("CONDITION", parse_threshold),
    multiple=True,
    envvar="CLIENT_REPLAY_FAIL_ON",
    help="What makes the run fail, like 'p99 > 20ms', 'p99.9[STEP] > 1s', 'errors > 0.1%', 'rate < 100' or "
    "'dropped > 1%'. Repeatable. 'errors > 0' holds too, unless another condition on all errors replaces it.",
)
@click.option("--strict-rate", is_flag=True, help="Fail if the rate was not held.")
@click.option("--seed", type=int, help="Seed of everything random.  [default: from the clock]")
@click.option("-v", "--verbose", is_flag=True, help="Print the conversations on standard error.")
@tls_options
@click.pass_context
def replay(  # noqa: PLR0913, PLR0917 - a parameter an option
    context: click.Context,
    /,
    scripts: tuple[Path, ...],
    target: Address,
    users: int,
    connect: str | None,
    loops: int | None,
    duration: float | None,
    forever: bool,
    rate: float | None,
    pacing: str,
    shape: Shape,
    grace: float,
    think: float,
    warmup: float,
    metrics: tuple[str, int] | None,
    linger: float,
    form: str,
    report: Path | None,
    thresholds: tuple[Threshold, ...],
    strict_rate: bool,
    seed: int | None,
    tls: TLSOptions,
    verbose: bool,
) -> int:
    """Play scripts against a server, check every reply, and report. - reads one from standard input."""
    programs = _programs(scripts, connect, target)
    # Not before the scripts are read: one that is typed at a terminal may be ended by Ctrl-C as usual.
    signals = Noted()
    sys.setswitchinterval(SWITCH_INTERVAL)
    mistakes = {
        "--loops, --duration and --forever exclude each other":
            sum([loops is not None, duration is not None, forever]) > 1,
        "--strict-rate needs a --rate to hold": strict_rate and rate is None,
        "--pacing poisson needs a --rate whose gaps it is about": pacing == "poisson" and rate is None,
        "--linger needs --metrics, which it is about": linger > 0 and metrics is None,
        "--duration must be more than 0": duration is not None and duration <= 0,
        "--warmup is as long as the --duration, or longer; make it shorter":
            duration is not None and warmup >= duration,
    }  # fmt: skip
    for mistake, is_made in mistakes.items():
        if is_made:
            raise click.UsageError(mistake)
    if loops is None and duration is None and not forever:
        loops = 1
    plan = Plan(
        users=users, connect=connect, loops=loops, duration=None if duration is None else duration + warmup,
        rate=rate, poisson=pacing == "poisson", shape=shape, think=think, warmup=warmup,
        seed=time.time_ns() % SEEDS if seed is None else seed, grace=grace,
    )  # fmt: skip
    _allow_connections(users)
    thresholds = _thresholds(thresholds, programs)
    hear = overhear(users) if verbose else None
    server = tls.target(target)
    if report is not None:
        _write(report, require_writable)
    run = Run(programs, server, plan, hear=hear)
    is_asked_for = context.get_parameter_source("metrics") is ParameterSource.COMMANDLINE
    endpoint = None if metrics is None else serve_metrics(run, *metrics, is_asked_for=is_asked_for)
    tls.warn()
    mode = _mode(plan, programs)
    is_drawn = can_be_redrawn(sys.stderr) and not verbose
    view = LiveView(plan, f"{target}, {mode}", len(programs)) if is_drawn else Lines()
    progress, began = Progress(run, view), time.time()
    signals.then(run.stop)
    with progress:
        run.play()
    summary = _summary(run, plan, programs, target, mode, thresholds, strict_rate)
    try:
        # Before the page: one that is written into a pipe may wait for a reader who never comes.
        click.echo(json.dumps(summary.as_object()) if form == "json" else as_text(summary), nl=form == "json")
    finally:
        # If one of the two cannot be written, the other still is.
        if report is not None:
            page = Report(
                summary=summary, timeline=progress.timeline,
                began=began, length=run.lasted, warmup=warmup,
            ).render()  # fmt: skip
            _write(report, lambda path: path.write_text(page, encoding="utf-8", errors="backslashreplace"))
    if endpoint is not None:
        signals.wait(linger)
        endpoint.close()
    return _status(summary, signals.first, strict_rate)


def overhear(users: int) -> Hear:
    """Return a function that prints a line said or heard by a user, after its number if there are several."""
    width = len(str(users))

    def hear(user: int, line: str) -> None:
        told = escaped(line)  # it may name a file
        sys.stderr.write(f"{user:>{width}}  {told}\n" if users > 1 else f"{told}\n")
        sys.stderr.flush()

    return hear


def _allow_connections(users: int) -> None:
    """Raise the limit of open files to what this many users need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = users + SPARE_FILES
    if soft >= needed or soft == resource.RLIM_INFINITY:
        return
    if needed > hard != resource.RLIM_INFINITY:
        raise click.UsageError(f"--users {users} needs {needed} open files; ulimit -n allows {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _programs(scripts: tuple[Path, ...], connect: str | None, target: Address) -> list[Program]:
    programs = [program for path in scripts for program in load(path)]
    for program in programs:
        if problem := misfit(program, connect, target):
            raise click.UsageError(problem)
    return told_apart(programs)


def _thresholds(given: tuple[Threshold, ...], programs: list[Program]) -> tuple[Threshold, ...]:
    """Return all that makes the run fail; an unknown step, which never would, is refused."""
    steps = {step for program in programs for step in program.steps}
    for threshold in given:
        if threshold.step is not None and threshold.step not in steps:
            known = ", ".join(sorted(steps))
            raise click.UsageError(f"--fail-on: there is no step {threshold.step!r}; there are {known}")
    return with_default(given)


def _write(report: Path, write: Callable[[Path], Any]) -> None:
    try:
        write(report)
    except OSError as error:
        raise click.UsageError(f"--report {report} cannot be written: {error.strerror or error}") from error


def _connections(plan: Plan, programs: Sequence[Program]) -> set[str]:
    """Return all that a connection is kept for: a message, a pass or a user."""
    return {program.connect_for(plan.connect) for program in programs}


def _mode(plan: Plan, programs: Sequence[Program]) -> str:
    """Return how the load is made, for a person."""
    loop = "closed loop" if plan.rate is None else f"open loop at {plan.rate:g} passes/s"
    users = "1 user" if plan.users == 1 else f"{plan.users} users"
    shape = "" if plan.shape is CONSTANT else f", {plan.shape.text}"
    connections = " or ".join(sorted(_connections(plan, programs)))
    return f"{loop}, {users}, a connection a {connections}{shape}"


def _summary(
    run: Run,
    plan: Plan,
    programs: Sequence[Program],
    target: Address,
    mode: str,
    thresholds: tuple[Threshold, ...],
    strict_rate: bool,
) -> Summary:
    target_rate = None
    if plan.rate is not None:
        whole = run.seconds + plan.warmup
        counted = plan.shape.integral(whole) - plan.shape.integral(plan.warmup)
        target_rate = plan.rate * counted / run.seconds
    with_connect = "message" in _connections(plan, programs)
    return summarize(
        run.ledger, target=str(target), mode=mode, seed=plan.seed, seconds=run.seconds,
        target_rate=target_rate, thresholds=thresholds, with_connect=with_connect,
        scripts={program.file: program.steps for program in programs}, users=plan.users,
        strict_rate=strict_rate, busy=run.busy, drawn_rate=run.drawn_rate,
    )  # fmt: skip


def _status(summary: Summary, signal: int, strict_rate: bool) -> int:
    if signal:
        return 128 + signal
    if not summary.connected:
        return NEVER_CONNECTED
    if strict_rate and not summary.rate_held:
        return RATE_NOT_HELD
    return FAILED if summary.reasons else 0
