"""Running somebody else's program unchanged, with all its servers of socketserver observed."""
