"""The dashboard in a terminal, for any servers and replays, from their metrics alone."""
