"""What is noted of a connection or a datagram. Knows no server and no view."""
