"""A proxy that hears what clients and a server say, and writes it as scripts."""
