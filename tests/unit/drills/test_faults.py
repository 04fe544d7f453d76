import pytest

from drills.faults import clients, killed, replica

FIRST, SECOND = "0123456789abcdef0123", "fedcba9876543210fedc"


class Recorded:
    """A stack that does nothing and notes what it was told to."""

    project = "one"

    def __init__(self, *servers):
        self.servers, self.told = list(servers), []

    def containers(self, *_):
        return self.servers

    def compose(self, *arguments):
        self.told += arguments

    docker = compose


@pytest.mark.parametrize(
    ("servers", "target"),
    [
        ([FIRST, SECOND], "tcp://0123456789ab:21567"),
        ([], "tcp://server:21567"),  # nothing will be seen, and that is told
    ],
    ids=["several", "none"],
)
def test_all_clients_go_to_one_server_however_many_there_are(servers, target):
    stack = Recorded(*servers)
    with clients("> hello\n", "--users 2")(stack):
        pass
    assert stack.told[stack.told.index("--target") + 1] == target


@pytest.mark.parametrize(("all_of_them", "victims"), [(False, [SECOND]), (True, [FIRST, SECOND])])
def test_one_is_killed_or_all_are_and_those_are_started_again(all_of_them, victims):
    stack = Recorded(FIRST, SECOND)
    with killed("server", all_of_them=all_of_them)(stack):
        assert stack.told == ["kill", *victims]
    assert stack.told[1 + len(victims) :] == ["start", *victims]


def test_a_server_more_has_time_to_go_in_order():
    stack = Recorded(FIRST)
    with replica("class Handler: pass")(stack):
        pass
    assert stack.told[-4:] == ["stop", "--time", "30", "one-drill"]
