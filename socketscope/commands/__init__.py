"""The command line: `socketscope`, which is also `python -m socketscope`."""

CONVERSATIONS = {
    "replay": "play scripts against a server, check every reply, and report",
    "talk": "prompt for lines, and send each to a server",
    "record": "write what clients and a server say to each other as scripts",
    "check": "say what scripts do, or where they are wrong",
    "top": "show the metrics of servers and replays, replicas summed",
    "demo": "start a server and a replay, and show what both measure",
}
"""The commands that need the extra `client`, and what each does; nothing else loads it."""
