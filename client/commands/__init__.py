"""A module a command of the command line: its options, and what they start."""
