"""Scripts, played: connections, what is said on them, and the load that many make."""
