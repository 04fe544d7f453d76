"""A proxy between clients and a server that writes what they say as scripts."""
