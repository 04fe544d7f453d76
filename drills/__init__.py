"""Faults that are provoked on purpose, each with one command, to see what they look like."""
