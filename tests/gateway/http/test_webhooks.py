"""What is sent to servers of others goes to public addresses alone, once resolved, signed and bounded."""

import asyncio
import hmac
from base64 import b64decode

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.http.webhooks import WebhookAnswer, WebhookSender
from gateway.values.webhook import AddressFault, address_fault, may_connect, signed_headers, written_secret

SECRET = written_secret(bytes(range(32)))


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("https://hooks.example.org/a?b=c", None),
        ("https://hooks.example.org:8443/", None),
        ("http://hooks.example.org/", AddressFault.NOT_HTTPS),
        ("ftp://hooks.example.org/", AddressFault.NOT_HTTPS),
        ("file:///etc/passwd", AddressFault.UNREADABLE),
        ("hooks.example.org", AddressFault.UNREADABLE),
        ("https://hooks.example.org:99999/", AddressFault.UNREADABLE),
        ("https://[::1/", AddressFault.UNREADABLE),
        ("https://hooks.example.org/a b", AddressFault.UNREADABLE),
        ("https://hooks.example.org\\@127.0.0.1/", AddressFault.UNREADABLE),
        (f"https://hooks.example.org/{'a' * 500}", AddressFault.UNREADABLE),
        ("https://me:word@hooks.example.org/", AddressFault.CREDENTIALS),
        ("https://hooks.example.org:22/", AddressFault.PORT),
        ("https://hooks.example.org:80/", AddressFault.PORT),
        ("https://localhost/", AddressFault.NO_NAME),
        ("https://redis/", AddressFault.NO_NAME),
        ("https://93.184.215.14/", AddressFault.NO_NAME),
        ("https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/", AddressFault.NO_NAME),
        ("https://127.1/", AddressFault.NO_NAME),
        ("https://0x7f.0.0.0x1/", AddressFault.NO_NAME),
        ("https://2130706433/", AddressFault.NO_NAME),
    ],
)
def test_an_address_is_a_name_over_https(url: str, fault: AddressFault | None) -> None:
    assert address_fault(url, local=False) is fault


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/hook", "http://localhost/", "https://[::1]:9/"])
def test_this_machine_is_an_address_in_the_demo_alone(url: str) -> None:
    assert address_fault(url, local=True) is None
    assert address_fault(url, local=False) is not None
    assert address_fault("http://192.168.1.7/", local=True) is AddressFault.NOT_HTTPS


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("127.8.9.1", False),
        ("::1", False),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("100.100.100.200", False),
        ("169.254.169.254", False),
        ("fe80::1", False),
        ("fe80::1%eth0", False),
        ("fd00:ec2::254", False),
        ("fec0::1", False),
        ("168.63.129.16", False),
        ("224.0.0.1", False),
        ("ff02::1", False),
        ("ff0e::1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("192.0.0.8", False),
        ("192.0.2.1", False),
        ("192.88.99.1", False),
        ("198.18.0.1", False),
        ("203.0.113.9", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.215.14", False),
        ("::7f00:1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b:1::a00:1", False),
        ("2002:7f00:1::", False),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),
        ("2001:db8::1", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_connections_go_to_public_addresses_alone(address: str, public: bool) -> None:
    assert may_connect(address, local=False) is public


def test_a_body_is_signed_as_the_specification_has_it() -> None:
    """The example of Standard Webhooks 1.0 in form; the sum as any reader makes it."""
    headers = signed_headers(SECRET, "msg_1", 1_614_265_330, b'{"test": 2432232314}')
    key = b64decode(SECRET.removeprefix("whsec_"))
    version, _, word = headers["webhook-signature"].partition(",")
    assert version == "v1"
    assert b64decode(word) == hmac.digest(key, b'msg_1.1614265330.{"test": 2432232314}', "sha256")


async def test_what_is_sent_is_signed_pinned_and_bounded() -> None:
    seen: list[tuple[str, bytes, str]] = []
    looked_up: list[str] = []
    addresses = ["127.0.0.1"]

    async def receive(request: web.Request) -> web.StreamResponse:
        seen.append((request.host, await request.read(), request.headers["webhook-signature"]))
        match request.path:
            case "/moved":
                return web.Response(status=302, headers={"Location": "/taken"})
            case "/long":
                return web.Response(text="long " * 40_000)
            case "/gone":
                return web.Response(status=410)
        return web.Response(text="thank\tyou")

    async def look_up(host: str, port: int) -> list[str]:
        looked_up.append(host)
        return addresses

    app = web.Application()
    app.router.add_post("/{any}", receive)
    async with TestServer(app) as server:
        port = server.port
        near, far = WebhookSender(local=True, lookup=look_up), WebhookSender(local=False, lookup=look_up)

        async def send(path: str, sender: WebhookSender = near, host: str = "localhost") -> WebhookAnswer:
            return await sender.send(f"http://{host}:{port}/{path}", SECRET, "msg_1", b"{}", 1_614_265_330)

        assert await send("taken") == WebhookAnswer(200, "thank you")
        assert seen == [
            (
                f"localhost:{port}",
                b"{}",
                signed_headers(SECRET, "msg_1", 1_614_265_330, b"{}")["webhook-signature"],
            )
        ]
        assert looked_up == ["localhost"]
        assert await send("moved") == WebhookAnswer(302)
        assert len((await send("long")).text) <= 1024
        assert (await send("gone")).gone
        count = len(seen)
        # Without the demo's setting nothing goes to this machine, by http or by https, by number or by name.
        assert (await send("taken", far)).fault == "address_refused"
        url = f"https://hooks.example.org:{port}/"
        for found, fault in (
            (["127.0.0.1"], "address_refused"),
            (["93.184.215.14", "10.0.0.7"], "address_refused"),
            ([], "unknown_name"),
        ):
            addresses[:] = found
            assert (await far.send(url, SECRET, "msg_1", b"{}", 1)).fault == fault
        assert len(seen) == count
        # The certificate is checked against the name, and what speaks no TLS is not reached.
        addresses[:] = ["127.0.0.1"]
        assert (await near.send(url, SECRET, "msg_1", b"{}", 1)).fault in ("certificate", "unreachable")
    assert (await send("taken")).fault == "unreachable"


async def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.http.webhooks.TOTAL_SECONDS", 0.1)

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        answer = await WebhookSender(local=True).send(f"http://127.0.0.1:{port}/", SECRET, "msg_1", b"{}", 1)
    assert answer.fault == "too_slow"
