"""What is set from outside, as text."""

import dataclasses
import resource

import pytest

from socketscope import Limits
from socketscope.settings import DESCRIPTOR_RESERVE, limit_settings, parse_metrics, within_descriptors


def values(*, program: bool) -> dict[str, object]:
    return {setting.name: setting.parse(setting.default) for setting in limit_settings(program=program)}


def test_defaults_are_those_of_the_library_or_of_its_programs():
    assert values(program=False) == dataclasses.asdict(Limits())
    timeouts = {"read_timeout": 10, "write_timeout": 10, "idle_timeout": 60}
    assert values(program=True) == dataclasses.asdict(Limits()) | timeouts


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "1_000", "\u00b2", "\u0663"])
def test_what_is_no_number_of_connections_is_told(text):
    (count,) = (each for each in limit_settings(program=False) if each.name == "max_connections")
    with pytest.raises(ValueError, match=f"^{text!r} is not a whole number above 0$"):
        count.parse(text)


def test_nowhere_is_a_place_for_metrics():
    assert parse_metrics("none") is None
    assert parse_metrics("localhost:1") == "localhost:1"
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        parse_metrics("None")


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch):
    """Say how many connections there are descriptors for."""

    def give(connections: int) -> None:
        have = connections + DESCRIPTOR_RESERVE
        monkeypatch.setattr(resource, "getrlimit", lambda _: (have, have))

    return give


@pytest.mark.parametrize("asked", [True, False])
def test_what_there_are_descriptors_for_can_be_had(room, asked):
    room(5)
    assert within_descriptors(5, asked=asked) == (5, None)


def test_a_default_is_lowered_and_what_was_asked_for_refused(room):
    room(5)
    most, told = within_descriptors(6, asked=False)
    assert (most, told) == (5, "--max-connections is 5, not 6: file descriptors are limited (ulimit -n)")
    with pytest.raises(ValueError, match="^--max-connections 6 needs 38 file descriptors, and this process"):
        within_descriptors(6, asked=True)


def test_one_connection_is_the_least_that_is_served(room):
    room(1)
    assert within_descriptors(6, asked=False)[0] == 1
    room(0)
    with pytest.raises(RuntimeError, match="^this process may have 32 file descriptors and needs more"):
        within_descriptors(6, asked=False)
