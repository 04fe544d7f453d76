"""A listener to the kernel and to other processes: its queue, its path, who shares it, and its TLS."""
