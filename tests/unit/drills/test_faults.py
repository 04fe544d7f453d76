import pytest

from drills.faults import clients

FIRST, SECOND = "0123456789abcdef0123", "fedcba9876543210fedc"


class Recorded:
    """A stack that does nothing and notes what it was told to."""

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
    with clients("> hello\n", "--users", "2")(stack):
        pass
    assert stack.told[stack.told.index("--target") + 1] == target
