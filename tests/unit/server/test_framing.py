import time

from hypothesis import given
from hypothesis import strategies as st

from server import framing


@given(st.binary(), st.sampled_from([b"\n", b"\r\n"]))
def test_content_is_the_line_without_its_ending(content, ending):
    content = content.replace(b"\n", b"")
    if ending == b"\n":  # behind a carriage return it would be another ending
        content = content.rstrip(b"\r")
    assert framing.content(content + ending) == content


@given(st.lists(st.integers(0, 2**32)))
def test_a_stamp_is_the_time_of_its_second(seconds):
    for second in seconds:
        assert framing.stamp(second) == f"[{time.ctime(second)}] ".encode()


@given(st.integers(1, 50), st.integers(0, 60), st.sampled_from([b"", b"\n", b"\r\n"]))
def test_a_line_fits_by_its_content(limit, size, ending):
    assert framing.fits(b"x" * size + ending, limit) == (size <= limit)
