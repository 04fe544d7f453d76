"""What the figures were measured on."""

import os
import platform
import resource
import shutil
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("gevent", "uvloop", "locust", "prometheus-client", "structlog", "orjson")


def describe() -> dict[str, Any]:
    """Return date, commit, machine, versions and the images' sizes in bytes.

    What is not seen from inside the container, `benchmarks/run` hands in: `BENCH_COMMIT`, and `BENCH_IMAGES`
    with ``name=bytes`` parted by spaces.
    """
    images = (pair.rpartition("=") for pair in os.environ.get("BENCH_IMAGES", "").split())
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": os.environ.get("BENCH_COMMIT", "unknown"),
        "cpu": _field("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory": f"{int(_field('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.0f} GiB",
        "kernel": platform.release(),
        "versions": {"Python": platform.python_version(), **_versions()},
        "images": {name: int(size) for name, _, size in images},
    }


def in_words(machine: dict[str, Any]) -> str:
    """Return what was described, for the head of a table."""
    return f"{machine['date']}; {machine['cores']} cores of {machine['cpu']}"


def raise_descriptor_limit() -> None:
    """Allow this process, and what it starts, as many descriptors as it may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _field(file: str, name: str) -> str:
    for line in Path(file).read_text(encoding="ascii").splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return "unknown"


def _versions() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    for program, option in (("fortio", "version"), ("cc", "-dumpfullversion")):
        if shutil.which(program):
            printed = subprocess.run([program, option], capture_output=True, text=True, check=True).stdout
            versions[{"cc": "gcc"}.get(program, program)] = printed.split()[0]
    return versions


def alone() -> bool:
    """Return whether nothing else is in the network namespace: no interface but loopback."""
    return {entry.name for entry in Path("/sys/class/net").iterdir()} == {"lo"}
