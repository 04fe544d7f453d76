"""What is noted of a connection or datagram. Knows no server and no view."""
