"""What a listener is to the kernel and to other processes: its queue, its path, who has it too, and its TLS."""
