"""Running somebody else's program, unchanged, with whatever it serves by socketserver observed."""
