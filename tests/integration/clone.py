"""A clone of this working tree, as somebody else would make it."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def clone(folder: Path, umask: int = 0o022) -> None:
    """Copy what git has or would take of this tree into a new folder, with the modes that an umask leaves."""
    folder.mkdir(mode=0o777 & ~umask)
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    there = [file for file in files if (ROOT / file).is_file()]
    packed = subprocess.run(["tar", "-c", *there], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(
        ["tar", "-x", "--no-same-permissions", "--no-same-owner"],
        cwd=folder, input=packed, umask=umask, check=True,
    )  # fmt: skip
