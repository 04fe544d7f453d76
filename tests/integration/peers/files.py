"""Names and files."""

from .peer import Peer, Place, say

_RSYNCD = """\
use chroot = no
port = {port}
address = 127.0.0.1
log file = {folder}/log
[files]
path = {folder}
comment = some files
"""


def _dns_counts(place: Place) -> dict[str, int]:
    return place.count_lines("log", queries=r"query\[", found="is 192.0.2.7$")


def _rsync_counts(place: Place) -> dict[str, int]:
    return place.count_lines("log", lists="module-list request", unknown="unknown module")


def _rsync_client(place: Place) -> None:
    say("rsync", f"rsync://127.0.0.1:{place.port}/")


PEERS = (
    Peer(
        name="dns",
        programs=("dnsmasq",),
        start=lambda place: [
            "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts", "--no-resolv",
            f"--port={place.port}", "--listen-address=127.0.0.1", "--bind-interfaces", "--user=root",
            "--address=/example.test/192.0.2.7", "--log-queries", f"--log-facility={place.folder}/log",
            f"--pid-file={place.folder}/pid",
        ],
        count=_dns_counts,
        a_pass={"queries": 2, "found": 1},
        url="udp://127.0.0.1:{port}",
    ),
    Peer(
        name="rsync",
        programs=("rsync",),
        start=lambda place: [
            "rsync", "--daemon", "--no-detach",
            f"--config={place.write('rsyncd.conf', _RSYNCD.format_map(vars(place)))}",
        ],
        count=_rsync_counts,
        a_pass={"lists": 1, "unknown": 1},
        client=_rsync_client,
    ),
)  # fmt: skip
