"""Servers that others have written, each run with a configuration, ports and a folder of its own."""

from . import consoles, files, mail, messages, stores, web
from .peer import Peer

PEERS: dict[str, Peer] = {
    peer.name: peer for room in (stores, mail, messages, web, consoles, files) for peer in room.PEERS
}
