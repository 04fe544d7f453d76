"""The threads of a server: they take and serve clients, hold deadlines, and read away what nobody reads."""
