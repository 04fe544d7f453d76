"""Lines of the log: which there are, how one is made, who makes them, and who writes them."""
