"""What is measured: each module one thing, in rounds that take turns with what it is compared to."""
