"""The way to the server: one connection, the questions to it, and the bytes on the wire."""
