"""Where operators call us."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.http import endpoint
from gateway.http.endpoint import BODY_BYTES_MAX
from gateway.storage.engine import DatabaseUnavailable
from payments import routes
from payments.collection.callbacks import IncomingCallback, Taken

Client = TestClient[web.Request, web.Application]


class KeptCallbacks:
    """Keeps callbacks; while `away`, it cannot, and unless they are `taken`, it does not."""

    def __init__(self) -> None:
        self.kept: list[IncomingCallback] = []
        self.away = False
        self.taken = Taken.STORED

    async def store(self, callback: IncomingCallback) -> Taken:
        if self.away:
            raise DatabaseUnavailable("away")
        if self.taken is Taken.STORED:
            self.kept.append(callback)
        return self.taken


@pytest.fixture
def service() -> KeptCallbacks:
    return KeptCallbacks()


@pytest.fixture
async def client(service: KeptCallbacks) -> AsyncIterator[Client]:
    app = web.Application(client_max_size=64 * 1024)
    routes.setup(app, frozenset({"mtn_momo", "orange_money"}), service.store)
    async with TestClient(TestServer(app)) as started:
        yield started


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("token", [None, "word-of-a-payment"])
async def test_kept_as_it_came_and_answered_with_nothing(
    client: Client, service: KeptCallbacks, method: str, token: str | None
) -> None:
    body = b'{"status": "SUCCESSFUL"} \xff\x00'
    path = "/api/webhooks/mtn_momo" + (f"/{token}" if token else "")
    response = await client.request(method, path, data=body, headers={"X-Thing": "é"})
    assert (response.status, await response.read()) == (200, b"")
    (kept,) = service.kept
    assert (kept.provider, kept.token, kept.method, kept.body) == ("mtn_momo", token, method, body)
    assert kept.headers["x-thing"] == "é"
    assert kept.remote == "127.0.0.1"


@pytest.mark.parametrize("body", [b"", b"{", b"<xml/>", b"\x00" * 100, b"x" * BODY_BYTES_MAX])
async def test_any_bytes_of_a_sane_size_are_kept(client: Client, service: KeptCallbacks, body: bytes) -> None:
    response = await client.post("/api/webhooks/orange_money/forged", data=body)
    assert response.status == 200
    assert service.kept[0].body == body


async def test_secret_headers_are_not_kept(client: Client, service: KeptCallbacks) -> None:
    headers = {"Authorization": "Bearer x", "Cookie": "a=b", "Proxy-Authorization": "Basic x", "X-Long": "y" * 5000}
    await client.post("/api/webhooks/mtn_momo", data=b"{}", headers=headers)
    kept = service.kept[0].headers
    assert not {"authorization", "cookie", "proxy-authorization"} & set(kept)
    assert len(kept["x-long"]) == 1024


def test_a_header_that_is_no_text_becomes_text() -> None:
    broken = b"caf\xe9".decode("utf-8", "surrogateescape")
    request = cast(web.Request, type("Stub", (), {"headers": {"X-Name": broken}}))
    assert routes.kept_headers(request) == {"x-name": "caf\\udce9"}


@pytest.mark.parametrize("chunked", [False, True])
async def test_too_large(client: Client, service: KeptCallbacks, chunked: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b"x" * 4096

    large = b"x" * (BODY_BYTES_MAX + 1)
    response = await client.post("/api/webhooks/mtn_momo", data=pieces() if chunked else large)
    assert response.status == 413
    assert response.content_type == "application/problem+json"
    assert service.kept == []


async def test_a_body_that_does_not_come(
    client: Client, service: KeptCallbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "BODY_SECONDS", 0.05)
    port = client.port
    assert port is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /api/webhooks/mtn_momo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
    assert b" 408 " in await reader.readline()
    writer.close()
    await writer.wait_closed()
    assert service.kept == []


async def test_an_unconfigured_provider(client: Client, service: KeptCallbacks) -> None:
    response = await client.post("/api/webhooks/wave/x", data=b"{}")
    assert response.status == 404
    assert response.content_type == "application/problem+json"
    assert service.kept == []


async def test_what_cannot_be_kept_is_not_acknowledged(client: Client, service: KeptCallbacks) -> None:
    service.away = True
    response = await client.post("/api/webhooks/mtn_momo/x", data=b"{}")
    assert response.status == 503
    assert int(response.headers["Retry-After"]) > 0


async def test_other_methods_are_not_served(client: Client) -> None:
    assert (await client.get("/api/webhooks/mtn_momo")).status == 405


async def test_what_is_beyond_the_rate_is_not_acknowledged(client: Client, service: KeptCallbacks) -> None:
    service.taken = Taken.TOO_MANY
    response = await client.post("/api/webhooks/mtn_momo/x", data=b"{}")
    assert (response.status, response.content_type) == (429, "application/problem+json")
    assert response.headers["Retry-After"] == routes.RETRY_AFTER_SECONDS


async def test_what_was_signed_at_another_time_is_refused_as_a_bad_request(
    client: Client, service: KeptCallbacks
) -> None:
    service.taken = Taken.STALE
    response = await client.post("/api/webhooks/mtn_momo", data=b"{}")
    assert (response.status, response.content_type, service.kept) == (400, "application/problem+json", [])
