"""Inputs of a fuzz: what somebody might send, bent at random."""

from collections.abc import Callable, Sequence
from random import Random

LONGEST = 1 << 16
"""Bytes of an input; enough to pass every bound that is on one."""

_EDGES = (1, 2, 255, 256, 4095, 4096, 8190, 8191, 8192, 8193, 8194, 8195, 16384, 20000)
_BYTES = (b"\0", b"\n", b"\r", b"\r\n", b" ", b"\t", b"\x7f", b"\x80", b"\xff", b"\xef\xbb\xbf", b"\xc3\x28")


def bent(random: Random, corpus: Sequence[bytes]) -> bytes:
    """Return one of a corpus after none to a few changes; one in twenty is nothing but random bytes."""
    if random.random() < 0.05:
        return random.randbytes(random.choice((0, 1, 7, 64, 300)))
    data = random.choice(corpus)
    for _ in range(random.choice((0, 1, 1, 2, 2, 4, 8))):
        place = random.randint(0, len(data))
        data = random.choice(_BENDS)(random, data, place, corpus)
    return data[:LONGEST]


def pieces(random: Random, data: bytes) -> list[bytes]:
    """Return the same in one to four pieces, as a network may deliver it; none of them is empty."""
    cuts = sorted(random.randint(0, len(data)) for _ in range(random.choice((0, 0, 0, 1, 3))))
    return [piece for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True) if (piece := data[a:b])]


def _flip(random: Random, data: bytes, place: int, _: Sequence[bytes]) -> bytes:
    if place == len(data):
        return data
    return data[:place] + bytes([data[place] ^ 1 << random.randrange(8)]) + data[place + 1 :]


def _insert(random: Random, data: bytes, place: int, _: Sequence[bytes]) -> bytes:
    return data[:place] + random.choice(_BYTES) + data[place:]


def _overwrite(random: Random, data: bytes, place: int, _: Sequence[bytes]) -> bytes:
    new = random.choice(_BYTES)
    return data[:place] + new + data[place + len(new) :]


def _cut(random: Random, data: bytes, place: int, _: Sequence[bytes]) -> bytes:
    return data[:place] + data[random.randint(place, len(data)) :]


def _end(_: Random, data: bytes, place: int, __: Sequence[bytes]) -> bytes:
    return data[:place]


def _repeat(random: Random, data: bytes, place: int, _: Sequence[bytes]) -> bytes:
    piece = data[place : place + random.choice((1, 2, 4, 16))]
    return data[:place] + piece * random.choice((2, 3, 9, 200)) + data[place:]


def _stretch(random: Random, data: bytes, place: int, _: Sequence[bytes]) -> bytes:
    # Rarely, as long ones are what takes the time.
    if random.random() < 0.9:
        return data
    size = max(random.choice(_EDGES) - len(data), 0)
    return data[:place] + random.choice((b"x", b"(", b"[", b"$", b"\xff", b" ", b"9")) * size + data[place:]


def _splice(random: Random, data: bytes, place: int, corpus: Sequence[bytes]) -> bytes:
    other = random.choice(corpus)
    return data[:place] + other[random.randint(0, len(other)) :]


_BENDS: tuple[Callable[[Random, bytes, int, Sequence[bytes]], bytes], ...] = (
    _flip, _insert, _overwrite, _cut, _end, _repeat, _stretch, _splice,
)  # fmt: skip
