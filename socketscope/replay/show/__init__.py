"""A run, shown: as text, as a page, in a terminal while it lasts, and to Prometheus."""
