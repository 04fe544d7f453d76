"""The dashboard in a terminal: what servers and replays, of which it knows the metrics only, are at."""
