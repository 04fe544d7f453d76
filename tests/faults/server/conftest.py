import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .authority import Authority
from .process import speaking


@pytest.fixture(params=["tcp", "tls"])
def each_stream(request: pytest.FixtureRequest, certificate: Path) -> Iterator[None]:
    """What holds over TCP holds over TLS."""
    with speaking(request.param, certificate):
        yield


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who issues certificates for a test."""
    if shutil.which("openssl") is None:
        pytest.skip("certificates are made with openssl, which is not installed")
    return Authority(tmp_path)


@pytest.fixture
def files(authority: Authority) -> tuple[Path, Path]:
    """A certificate for localhost, and its key."""
    return authority.issue("localhost")
