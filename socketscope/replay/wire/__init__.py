"""A connection to a target, in a loop of tasks, and what has come on it."""
