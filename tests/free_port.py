"""Ports for servers that tests start."""

import socket


def free_port() -> int:
    """A port without a listener."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port
