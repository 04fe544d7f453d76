"""Gives targets many inputs, and tells what is wrong: `python -m tests.fuzz.run`."""

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path
from random import SystemRandom

from . import campaign
from .targets import TARGETS

INPUTS = 1_000_000


def main() -> int:
    """Run the command line; return its exit status, 1 where a fault was found."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # and the server ends, too
    print(f"seed {options.seed}", flush=True)
    found = False
    for name in options.targets:
        if options.case is not None:
            _play(name, options.seed, options.case)
            continue
        began = time.monotonic()
        given = campaign.run(name, options.inputs, options.seed)
        held = ", ".join(
            f"{what} {before} then {after}"
            for what, before, after in zip(given.before._fields, given.before, given.after, strict=True)
        )
        print(f"{name}: {given.inputs} inputs in {time.monotonic() - began:.0f} s; {held}; ", end="")
        print(f"{len(given.faults)} faults", *given.faults, sep="\n  ", flush=True)
        found = found or bool(given.faults)
    return int(found)


def _options() -> argparse.Namespace:
    known = ", ".join(TARGETS)
    parser = argparse.ArgumentParser("tests.fuzz", description=__doc__.partition(":")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {known}; all where none is named")
    parser.add_argument("--inputs", type=int, default=INPUTS, help="of each target (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="that was printed (default: another each time)")
    parser.add_argument("--case", type=int, help="play this one alone")
    options = parser.parse_args()
    if unknown := [name for name in options.targets if name not in TARGETS]:
        parser.error(f"{unknown[0]!r} is none of {known}")
    options.targets = options.targets or list(TARGETS)
    if options.seed is None:
        options.seed = SystemRandom().randrange(1 << 32)
    return options


def _play(name: str, seed: int, case: int) -> None:
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as folder, campaign.serving(target, Path(folder)) as server:
        place = None if server is None else campaign.place_of(target, server)
        print(f"{name}: case {case}, {campaign.play(name, place, seed, case)} inputs, no fault")


if __name__ == "__main__":
    sys.exit(main())
