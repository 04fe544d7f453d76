"""A namespace with the base in it, which most tests share; always removed."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.ending import heeding_sigterm

from .cluster import COMMAND, MANIFESTS, Namespace, kubectl


def _missing() -> str:
    """Return why there is no cluster; nothing if there is one."""
    if not COMMAND:
        return "needs a cluster: set KUBECTL to a kubectl that leads to one whose nodes may be drained"
    if shutil.which(COMMAND[0]) is None:
        return f"KUBECTL is {COMMAND[0]}, which is no command here"
    asked = kubectl("get", "--raw=/readyz", "--request-timeout=10s", check=False)
    return f"no cluster answers: {asked.stderr.strip().splitlines()[-1]}" if asked.returncode else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip all where there is no cluster; upheavals of a Deployment take minutes."""
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    missing = _missing() if here else ""
    for item in here:
        item.add_marker(pytest.mark.timeout(900))
        if missing:
            item.add_marker(pytest.mark.skip(reason=missing))


@pytest.fixture(scope="session")
def namespaces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Namespace]]:
    """Return what thinks of a new namespace; whatever was put into it is removed in the end."""
    made: list[Namespace] = []

    def make() -> Namespace:
        name = f"socketscope-test-{uuid.uuid4().hex[:8]}"
        made.append(Namespace(name, tmp_path_factory.mktemp("kustomize")))
        return made[-1]

    with heeding_sigterm():
        yield make
    for namespace in made:
        kubectl("delete", "namespace", namespace.name, "--ignore-not-found", "--wait=false")


@pytest.fixture(scope="session")
def small(namespaces: Callable[[], Namespace]) -> Namespace:
    """Return a namespace with the small overlay in it."""
    namespace = namespaces()
    assert "Warning" not in namespace.apply(namespace.make(MANIFESTS / "overlays" / "small"))
    for deployment in ("server", "client", "prometheus"):
        namespace.settled(deployment)
    return namespace


@pytest.fixture(scope="session")
def base(namespaces: Callable[[], Namespace]) -> Namespace:
    """Return a namespace with three servers in it, and no client."""
    namespace = namespaces()
    namespace.apply(namespace.make(MANIFESTS / "base", replicas=[{"name": "client", "count": 0}]))
    namespace.settled()
    return namespace


@pytest.fixture
def server(base: Namespace) -> Iterator[Namespace]:
    """Return the same, as the manifests say, also after a test that changes it."""
    applied = base.make(MANIFESTS / "base", replicas=[{"name": "client", "count": 0}])
    base.apply(applied)
    base.settled()
    yield base
    base.apply(applied)
