"""The timestamp service: a line in, the line with the time before it out."""
