"""A listener as the kernel and other processes have it: its queue, its path, who shares it, and its TLS."""
