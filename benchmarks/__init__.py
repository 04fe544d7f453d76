"""Side-by-side measurements, each against its peers in one run."""
