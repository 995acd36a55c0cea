"""The server of the live page, over real sockets."""
