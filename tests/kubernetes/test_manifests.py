"""A cluster, and the schemas of three minor versions, find nothing wrong with either overlay or the Job."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .cluster import MANIFESTS, Namespace, kubectl

FOLDERS = [MANIFESTS / "overlays" / "small", MANIFESTS / "overlays" / "operator", MANIFESTS / "job"]
VERSIONS = ["1.35.4", "1.36.3", "1.37.2"]
KUBECONFORM = shlex.split(os.environ.get("KUBECONFORM", "kubeconform"))

each_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


@pytest.fixture(scope="module")
def empty(namespaces: Callable[[], Namespace]) -> Namespace:
    """Return a namespace that enforces what the base's does, and has nothing in it."""
    namespace = namespaces()
    made = kubectl("create", "namespace", namespace.name, "--dry-run=client", "--output=yaml").stdout
    kubectl("apply", "--filename=-", text=made)
    levels = [f"pod-security.kubernetes.io/{mode}=restricted" for mode in ("enforce", "warn")]
    kubectl("label", "namespace", namespace.name, *levels)
    return namespace


@each_folder
def test_the_cluster_takes_it_without_a_warning(empty: Namespace, folder: Path):
    crds = kubectl("get", "crd", "prometheusrules.monitoring.coreos.com", check=False)
    if folder.name == "operator" and crds.returncode:
        pytest.skip("this cluster has no Prometheus operator")
    assert "Warning" not in empty.apply(empty.make(folder), "--dry-run=server", "--validate=strict")


@pytest.mark.parametrize(
    ("kept", "broken"),
    [
        ("runAsNonRoot: true", "runAsNonRoot: false"),
        ("allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"),
        ("- ALL", "- NET_RAW"),
        ("type: RuntimeDefault", "type: Unconfined"),
    ],
)
def test_of_what_breaks_the_profile_it_warns(empty: Namespace, kept: str, broken: str):
    made = empty.make(MANIFESTS / "job")
    assert kept in made
    assert "would violate PodSecurity" in empty.apply(made.replace(kept, broken), "--dry-run=server")


@pytest.mark.parametrize("version", VERSIONS)
@each_folder
def test_it_is_as_the_schemas_want_it(empty: Namespace, folder: Path, version: str):
    if shutil.which(KUBECONFORM[0]) is None:
        pytest.skip("needs kubeconform")
    command = [*KUBECONFORM, "-strict", "-kubernetes-version", version]
    ended = subprocess.run(
        command, input=empty.make(folder), capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stdout
