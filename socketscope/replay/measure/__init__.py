"""What is counted and timed of a run, and what its figures say."""
