"""Where carriers call: stored before it is answered, never a 5xx but for a service that is away."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from channels.messages.carrier import IncomingText
from channels.sms.carriers import africastalking, kannel
from channels.sms.routes import setup
from channels.voting_service import VOTING_SERVICE
from gateway.http.endpoint import BODY_BYTES_MAX
from tests.channels.sms.service import texted_service
from tests.rigs.voting_service import FakeVotingService

INBOUND, DELIVERY = "/sms/africastalking", "/sms/africastalking/delivery"
FORM = "application/x-www-form-urlencoded"
TEXT = {
    "date": "2026-11-20 18:04:45",
    "from": "+2250501020304",
    "id": "6f0c",
    "linkId": "",
    "text": "VOTE 07 5",
    "to": "7890",
    "networkCode": "61205",
}
REPORT = {"id": "ATXid_1", "status": "Failed", "phoneNumber": "+2250501020304", "failureReason": "UserInBlackList"}
SECRET = "a word that only the carrier knows"

Client = TestClient[web.Request, web.Application]


@asynccontextmanager
async def gateway(service: FakeVotingService, secret: str | None = None) -> AsyncIterator[Client]:
    """The routes over this service; `client_max_size` as the gateway sets it."""
    app = web.Application(client_max_size=64 * 1024)
    app[VOTING_SERVICE] = service
    carrier = africastalking.AfricasTalking(
        africastalking.Settings.model_validate({"username": "demo", "api_key": "demo-api-key"})
    )
    other = kannel.Kannel(
        kannel.Settings.model_validate({"base_url": "http://127.0.0.1:9", "username": "demo", "password": "demo"})
    )
    setup(app, {"africastalking": carrier, "kannel": other}, {"africastalking": secret, "kannel": secret})
    async with TestClient(TestServer(app)) as client:
        yield client
    await other.aclose()


async def answer_of(response: ClientResponse) -> tuple[int, str]:
    assert response.content_type in ("text/plain", "application/octet-stream")
    return response.status, await response.text()


async def test_a_text_is_stored_and_nothing_else_happens() -> None:
    service = texted_service()
    async with gateway(service) as client:
        for _ in range(2):
            assert (await answer_of(await client.post(INBOUND, data=TEXT)))[0] == 200
    assert list(service.texts.values()) == [
        IncomingText("africastalking", "6f0c", "+2250501020304", "7890", "VOTE 07 5", "61205")
    ]
    assert service.vote_requests == []


async def test_a_report_is_stored() -> None:
    service = texted_service()
    async with gateway(service) as client:
        assert (await answer_of(await client.post(DELIVERY, data=REPORT)))[0] == 200
    assert service.reports == [("africastalking", "ATXid_1", "Failed", "+2250501020304", "UserInBlackList")]


@pytest.mark.parametrize("path", [INBOUND, DELIVERY])
async def test_a_service_that_is_away_makes_the_carrier_come_again(path: str) -> None:
    service = texted_service()
    service.away = True
    async with gateway(service) as client:
        response = await client.post(path, data={**TEXT, **REPORT})
        assert response.status == 503
        assert int(response.headers["Retry-After"]) > 0


@pytest.mark.parametrize("path", [INBOUND, DELIVERY])
@pytest.mark.parametrize("key", [None, "", "wrong", "é\udc80".encode("utf-8", "replace").decode()])
async def test_without_the_shared_word_nothing_is_read(path: str, key: str | None) -> None:
    service = texted_service()
    async with gateway(service, SECRET) as client:
        response = await client.post(path, params={} if key is None else {"key": key}, data={**TEXT, **REPORT})
        assert response.status == 403
    assert service.texts == {}
    assert service.reports == []


@pytest.mark.parametrize("path", [INBOUND, DELIVERY])
async def test_with_the_shared_word(path: str) -> None:
    async with gateway(texted_service(), SECRET) as client:
        assert (await client.post(path, params={"key": SECRET}, data={**TEXT, **REPORT})).status == 200


BAD = [
    (b"", FORM),
    (b"a=b", FORM),
    (b"=&=&&", FORM),
    (urlencode({**TEXT, "id": ""}).encode(), FORM),
    (urlencode({**TEXT, "id": "x" * 1_000}).encode(), FORM),
    (b"id=1&text=\xff\xfe", FORM),
    (urlencode(TEXT).encode(), f"{FORM}; charset=klingon"),
    (urlencode(TEXT).encode(), f"{FORM}; charset=hex"),
    (urlencode(TEXT).encode(), "text/plain"),
    (b'{"id": "1"}', "application/json"),
    (b"\x00\xff" * 100, "multipart/form-data"),
    (b"&".join(b"f%d=1" % n for n in range(2_000)), FORM),
    (urlencode({**TEXT, "text": "x" * BODY_BYTES_MAX}).encode(), FORM),
    (b"id=1&text=" + b"x" * 500_000, FORM),
]


@pytest.mark.parametrize("path", [INBOUND, DELIVERY])
@pytest.mark.parametrize(("body", "content_type"), BAD)
async def test_malformed_is_400_with_a_sentence(path: str, body: bytes, content_type: str) -> None:
    service = texted_service()
    async with gateway(service) as client:
        response = await client.post(path, data=body, headers={"Content-Type": content_type})
        status, sentence = await answer_of(response)
    assert status == 400
    assert sentence
    assert service.texts == {}
    assert service.reports == []


async def test_a_body_of_unknown_length_is_bounded_too() -> None:
    service = texted_service()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"id=1&to=7890&text="
        for _ in range(30):
            yield b"x" * 1_000

    async with gateway(service) as client:
        response = await client.post(INBOUND, data=chunks(), headers={"Content-Type": FORM})
        assert response.status == 400
    assert service.texts == {}


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("VOTE+07+5", "VOTE 07 5"),
        ("VOTE%2B07%2B5", "VOTE+07+5"),
        ("VOTE%C2%A007", "VOTE\u00a007"),
        ("VOTE%FF07", "VOTE\ufffd07"),
        ("VOTE%0007", "VOTE07"),
        ("%F0%9F%94%A5", "🔥"),
        ("", ""),
    ],
)
async def test_what_a_form_may_hold(text: str, stored: str) -> None:
    service = texted_service()
    async with gateway(service) as client:
        body = f"id=1&from=%2B2250501020304&to=7890&text={text}"
        assert (await client.post(INBOUND, data=body, headers={"Content-Type": FORM})).status == 200
    assert [held.text for held in service.texts.values()] == [stored]


@pytest.mark.parametrize("text", ["VOTE 07 5 0000", "OUI 4821", "mon code pin: 12345"])
async def test_a_pin_is_not_stored(text: str) -> None:
    service = texted_service()
    async with gateway(service) as client:
        assert (await client.post(INBOUND, data=TEXT | {"text": text})).status == 200
        query = URL("/sms/kannel").with_query({"id": "k1", "from": TEXT["from"], "to": "7890", "text": text})
        assert (await client.get(query)).status == 200
    assert len(service.texts) == 2
    for held in service.texts.values():
        assert "****" in held.text
        assert not {"0000", "4821", "12345"}.intersection(held.text.split())


async def test_only_post() -> None:
    async with gateway(texted_service()) as client:
        assert (await client.get(INBOUND)).status == 405
        assert (await client.post("/sms/unknown", data=TEXT)).status == 404


KANNEL = "/sms/kannel"
QUERY = "id=k1&from=%2B2250501020304&to=7890&coding=1&text="


def typed(query: str) -> URL:
    """An address whose bytes go out as they are."""
    return URL(f"{KANNEL}?{query}", encoded=True)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("VOTE+07+5", "VOTE 07 5"),
        ("VOTE%2B07%2B5", "VOTE+07+5"),
        ("Traor%E9", "Traoré"),
        ("Traor%C3%A9", "Traoré"),
        ("%ff%fe%00", "ÿþ"),
        ("100%", "100%"),
        ("", ""),
    ],
)
async def test_kannel_is_stored_by_its_bytes_and_answered_with_nothing(text: str, stored: str) -> None:
    service = texted_service()
    async with gateway(service) as client:
        response = await client.get(typed(QUERY + text))
        assert (response.status, response.content_type, await response.text()) == (200, "text/plain", "")
    assert service.texts[("kannel", "k1")] == IncomingText("kannel", "k1", "+2250501020304", "7890", stored, None)


async def test_kannel_reports_by_our_own_id() -> None:
    service = texted_service()
    async with gateway(service) as client:
        for value in (8, 1):
            response = await client.get(f"{KANNEL}/delivery?id=m1&status={value}&reply=")
            assert (response.status, await response.text()) == (200, "")
    assert service.reports == [("kannel", "m1", "Sent", "", None), ("kannel", "m1", "Success", "", None)]


async def test_kannel_needs_the_shared_word() -> None:
    service = texted_service()
    async with gateway(service, SECRET) as client:
        for path in (KANNEL, f"{KANNEL}/delivery"):
            assert (await client.get(path, params={"id": "m1", "status": "1"})).status == 403
            assert (await client.get(path, params={"id": "m1", "status": "1", "key": SECRET})).status == 200


@pytest.mark.parametrize("query", ["", "from=1", "&".join(f"f{n}=1" for n in range(60)), "id=%00"])
async def test_what_kannel_never_sends_is_refused(query: str) -> None:
    service = texted_service()
    async with gateway(service) as client:
        assert (await client.get(typed(query))).status == 400
    assert not service.texts


async def test_each_carrier_has_its_own_method() -> None:
    async with gateway(texted_service()) as client:
        assert (await client.post(KANNEL, data={"id": "x"})).status == 405
        assert (await client.get(INBOUND, params={"id": "x"})).status == 405
        assert (await client.head(KANNEL, params={"id": "x"})).status == 405


async def test_kannel_is_answered_that_the_service_is_away() -> None:
    service = texted_service()
    service.away = True
    async with gateway(service) as client:
        assert (await client.get(typed(QUERY + "07"))).status == 503
