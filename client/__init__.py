"""The replay client: conversations of text files, played against a server and checked."""
