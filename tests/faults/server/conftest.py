from collections.abc import Iterator
from pathlib import Path

import pytest

from .process import speaking


@pytest.fixture(params=["tcp", "tls"])
def each_stream(request: pytest.FixtureRequest, certificate: Path) -> Iterator[None]:
    """What holds over TCP holds over TLS."""
    with speaking(request.param, certificate):
        yield
