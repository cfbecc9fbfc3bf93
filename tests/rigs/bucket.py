"""A server that speaks S3, in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx


@contextmanager
def s3_server() -> Iterator[str]:
    """Its address. Imported here: a process that collects tests would take half a second for it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def new_bucket(base_url: str) -> str:
    """The name of a new bucket."""
    name = f"pictures-{uuid4().hex[:12]}"
    httpx.put(f"{base_url}/{name}").raise_for_status()
    return name
