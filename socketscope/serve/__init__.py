"""Taking, serving and closing connections, as the standard library's socketserver does it."""
