"""Somebody else's program, its text unchanged: whatever it serves by socketserver is observed."""
