"""The dashboard in a terminal, of servers and replays that it knows only by their metrics."""
