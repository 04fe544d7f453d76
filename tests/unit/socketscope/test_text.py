import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketscope.addresses import Address, format_host_port, format_peer, parse_host_port, parse_url
from socketscope.excerpt import excerpts
from socketscope.units import format_duration, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("2m", 120), ("1h", 3600), ("7", 7), (".5", 0.5), ("50us", 5e-5)],
)
def test_durations(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "x", "-1s", "1 d", "1e3", "ms", "\uff11s", "\uff11"])
def test_no_durations(text):
    with pytest.raises(ValueError, match="is not a duration: write it like 500ms, 30s or 2m"):
        parse_duration(text)


@given(st.floats(0, 1e9))
def test_a_duration_reads_back(seconds):
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize("text", ["0s", "10us", "59ms", "1.2345678s", "30s", "2m"])
def test_a_duration_is_told_as_people_write_it(text):
    assert format_duration(parse_duration(text)) == text


@given(st.integers(1, 59_999))
def test_a_pause_that_was_measured_is_told_in_the_unit_that_it_was_rounded_to(thousandths):
    assert format_duration(thousandths / 1000) in {f"{thousandths}ms", f"{thousandths // 1000}s"}


@pytest.mark.parametrize(
    ("text", "size"), [("1", 1), ("64KiB", 65536), ("1MiB", 1 << 20), ("2GiB", 2 << 30), ("3B", 3)]
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "1.5", "KiB", "-1", "1KB", "\uff11"])
def test_no_sizes(text):
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@given(st.sampled_from(["127.0.0.1", "::1", "localhost", ""]), st.integers(0, 65535))
def test_host_and_port_read_back(host, port):
    assert parse_host_port(format_host_port(host, port)) == (host, port)


@pytest.mark.parametrize(
    ("text", "parsed"), [("x:080", ("x", 80)), ("X:00", ("x", 0)), ("[::1]:0080", ("::1", 80))]
)
def test_zeros_before_a_port_mean_nothing(text, parsed):
    assert parse_host_port(text) == parsed


@pytest.mark.parametrize(
    "text", ["", "x", "x:", "x:y", "x:70000", "::1:80", "a@b:80", "x:80/y", "[::1]1:80", "x[::1]:80"]
)
def test_no_host_and_port(text):
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        parse_host_port(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("tcp://127.0.0.1:80", Address("tcp", "127.0.0.1", 80)),
        ("tcp://[::1]:80", Address("tcp", "::1", 80)),
        ("unix:///run/x", Address("unix", path="/run/x")),
    ],
)
def test_urls_read_back(text, address):
    assert parse_url(text, ("tcp", "unix")) == address
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("http://x:1", "must start with one of tcp://, unix://"),
        ("x:1", "must start with one of"),
        ("unix://run/x", "needs an absolute path"),
        ("unix:///", "needs an absolute path"),
        ("tcp://x", "is not HOST:PORT"),
    ],
)
def test_no_urls(text, told):
    with pytest.raises(ValueError, match=told):
        parse_url(text, ("tcp", "unix"))


class WithoutText:
    """What a user's get_request may return as an address."""

    def __str__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (("127.0.0.1", 5), "127.0.0.1:5"),
        (("::1", 5, 0, 0), "[::1]:5"),
        (("::ffff:10.0.0.1", 5, 0, 0), "10.0.0.1:5"),
        (("::ffff:0:a00:1", 5, 0, 0), "[::ffff:0:a00:1]:5"),
        ("/run/x", "/run/x"),
        ("", ""),
        (None, ""),
        (b"\0name\xff", "@name\\xff"),
        ((3, 1024), "(3, 1024)"),
        (("alone",), "('alone',)"),
        (WithoutText(), "WithoutText"),
        (("host", WithoutText()), "tuple"),
    ],
)
def test_a_client_has_one_name(address, text):
    assert format_peer(address) == text


@pytest.mark.parametrize("value", ["ab", {"a": 1, "b": 2}, [1, 2], {"ab": ["ab"]}])
def test_what_is_as_long_as_it_may_be_is_shown_whole(value):
    assert excerpts(value, 2) == value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("abc", "ab... (1 characters more)"),
        ({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 2, "...": "1 more"}),
        ([1, 2, 3], [1, 2, "... 1 more"]),
    ],
)
def test_what_is_longer_is_cut_and_says_so(value, shown):
    assert excerpts(value, 2) == shown
