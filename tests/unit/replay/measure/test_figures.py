import pytest

from socketscope.replay.measure import figures


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0, "0.00 µs"),
        (87e-6, "87.0 µs"),
        (0.99949e-3, "999 µs"),
        (0.9996e-3, "1.00 ms"),
        (4.214e-3, "4.21 ms"),
        (0.0423, "42.3 ms"),
        (0.9999, "1.00 s"),
        (61, "61.0 s"),
        (1234, "1,234 s"),
    ],
)
def test_a_duration_has_three_digits_and_a_unit(seconds, text):
    assert figures.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.9, "0 s"), (59.9, "59 s"), (185, "3:05 min"), (3600, "1:00:00 h"), (3669, "1:01:09 h")],
)
def test_a_stretch_of_time_reads_like_a_clock(seconds, text):
    assert figures.clock(seconds) == text


@pytest.mark.parametrize(("number", "text"), [(None, "-"), (0, "0"), (12345.0, "12,345")])
def test_a_count_has_its_thousands_apart(number, text):
    assert figures.count(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, "-"), (0, "0/s"), (0.25, "0.25/s"), (9.999, "10.0/s"), (412.3, "412/s"), (12345, "12,345/s")],
)
def test_a_rate(number, text):
    assert figures.rate(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, "-"), (0, "0 B"), (999, "999 B"), (1250, "1.25 kB"), (2e13, "20.0 TB"), (2e16, "20,000 TB")],
)
def test_bytes(number, text):
    assert figures.size(number) == text


@pytest.mark.parametrize(
    ("part", "text"),
    [(None, "-"), (0, "0 %"), (1, "100 %"), (0.5, "50.00 %"), (1e-6, "< 0.01 %"), (0.999999, "> 99.99 %")],
)
def test_a_share_is_never_rounded_to_all_or_nothing(part, text):
    assert figures.share(part) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0005, "500 µs"), (0.001, "1 ms"), (2.5, "2.5 s"), (1000.0, "1,000 s"), (1e5, "100,000 s")],
)
def test_an_edge_has_no_digits_that_it_does_not_need_and_all_that_it_does(seconds, text):
    assert figures.edge(seconds) == text
