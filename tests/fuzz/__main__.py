"""Fuzzes in a network namespace of its own, where there can be one: `python -m tests.fuzz [TARGET...]`."""

import os
import sys

from tests.soak.alone import command

if __name__ == "__main__":
    how, why_not = command("tests.fuzz.run", *sys.argv[1:])
    print(why_not or "in a network namespace of its own", flush=True)
    os.execvp(how[0], how)
