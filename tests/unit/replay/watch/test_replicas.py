import pytest

from socketscope.replay.watch.replicas import Watch
from socketscope.replay.watch.scrape import Unusable, total
from socketscope.views import instruments as server
from tests.unit.replay.watch import pages

ACCEPTED = server.ACCEPTED.name
URL = "http://127.0.0.1:9464/metrics"


def test_its_speed_is_known_from_the_second_page_on():
    replica = Watch(URL, every=1.0)
    assert (replica.look.up, replica.look.name) == (False, "127.0.0.1:9464")
    replica.answered(pages.of_server(10), 100.0)
    assert replica.look.up
    assert replica.look.kind == "server"
    assert total(replica.look.step, ACCEPTED) == 0
    replica.answered(pages.of_server(30), 102.0)
    assert total(replica.look.step, ACCEPTED) == pytest.approx(10)
    replica.answered(pages.of_server(90), 112.0)  # as seldom as somebody may ask for
    assert total(replica.look.lately, ACCEPTED) == pytest.approx(6)


def test_lately_is_the_last_five_seconds():
    replica = Watch(URL, every=1.0)
    for second, accepted in enumerate([0, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1010]):
        replica.answered(pages.of_server(accepted), float(second))
    assert total(replica.look.step, ACCEPTED) == pytest.approx(10)
    assert total(replica.look.lately, ACCEPTED) == pytest.approx(2)


def test_when_it_goes_away_it_says_since_when_and_why():
    replica = Watch(URL, every=1.0)
    replica.answered(pages.of_server(10), 100.0)
    replica.failed("Connection refused", 103.0)
    replica.failed("Connection refused", 104.0)
    look = replica.look
    assert (look.up, look.problem, look.since, look.kind) == (False, "Connection refused", 103.0, "server")
    assert (look.page, look.lately) == ({}, {})


def test_when_it_comes_back_its_counters_begin_again():
    replica = Watch(URL, every=1.0)
    replica.answered(pages.of_server(1000), 100.0)
    replica.failed("Connection refused", 101.0)
    replica.answered(pages.of_server(50), 105.0)
    assert replica.look.up
    assert total(replica.look.step, ACCEPTED) == pytest.approx(10)


def test_what_came_while_it_was_away_for_long_is_not_of_the_last_seconds():
    replica = Watch(URL, every=1.0)
    replica.answered(pages.of_server(1000), 100.0)
    replica.failed("Connection refused", 101.0)
    replica.answered(pages.of_server(50), 160.0)
    assert replica.look.lately == {}
    replica.answered(pages.of_server(150), 161.0)
    assert total(replica.look.lately, ACCEPTED) == pytest.approx(100)


def test_a_page_that_now_and_then_comes_late_has_figures_of_the_last_seconds():
    replica = Watch(URL, every=1.0)
    replica.answered(pages.of_server(1000), 100.0)
    replica.failed("no answer within 2 s", 103.0)
    replica.answered(pages.of_server(1400), 104.0)
    assert total(replica.look.lately, ACCEPTED) == pytest.approx(100)


def test_a_page_of_something_else_is_refused():
    with pytest.raises(Unusable):
        Watch(URL, every=1.0).answered({("x", frozenset()): 1.0}, 100.0)
