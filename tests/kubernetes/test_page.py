"""What docs/kubernetes.md tells its reader to do works as it stands there, from the beginning to the end."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages import blocks

from .cluster import COMMAND, kubectl

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
BUILD, *REST = blocks(PAGE)
(OWN,) = blocks(PAGE, "yaml")


def typed(commands: str, folder: Path) -> str:
    """Type commands into one shell, each of which must succeed; return what they print."""
    (folder / "kubectl").write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    (folder / "kubectl").chmod(0o755)
    with (folder / "printed").open("w+") as printed:
        shell = subprocess.Popen(
            ["bash", "-ec", commands],
            cwd=ROOT, env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
            stdout=printed, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            status = shell.wait(600)
        finally:
            # A kubectl that is a script leaves behind what it has started.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
        printed.seek(0)
        text = printed.read()
    assert status == 0, text
    return text


@pytest.fixture
def nothing_there() -> Iterator[None]:
    """Skip where somebody has what the page brings up; leave nothing of it."""
    if not kubectl("get", "namespace", "socketscope", check=False).returncode:
        pytest.skip("the cluster has a namespace socketscope")
    yield
    kubectl("delete", "namespace", "socketscope", "--ignore-not-found")


@pytest.mark.skipif(shutil.which("docker") is None, reason="needs Docker")
def test_images_are_built(tmp_path: Path):
    typed(BUILD, tmp_path)


@pytest.mark.usefixtures("nothing_there")
def test_it_is_brought_up_used_and_removed(tmp_path: Path):
    printed = typed("".join(REST), tmp_path)
    assert "Forwarding from 127.0.0.1:9090" in printed
    assert "\nPASS" in printed
    assert printed.count('deployment "server" successfully rolled out') == 3
    assert 'namespace "socketscope" deleted' in printed


def test_a_kustomization_of_ones_own_is_taken(tmp_path: Path):
    kustomization = tmp_path / "kustomization.yaml"
    kustomization.write_text(OWN.replace("../deploy", os.path.relpath(ROOT / "deploy", tmp_path)))
    made = kubectl("kustomize", str(tmp_path)).stdout
    assert "image: registry.example.com/socketscope-server:0.1.0" in made
    assert "release: kube-prometheus-stack" in made
    assert "namespace: socketscope" not in made
