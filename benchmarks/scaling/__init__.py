"""What a replica costs, measured and fitted, and what that makes of a number of clients."""
