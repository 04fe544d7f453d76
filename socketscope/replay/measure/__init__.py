"""What a run counts and times, and what the figures say."""
