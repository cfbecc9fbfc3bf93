"""What the addresses answer: always a sentence that a handset can show, never a 5xx."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from channels.ussd import dialogue, routes
from tests.channels.ussd.service import MTN, MemorySessions, application, demo_service
from tests.rigs.voting_service import FakeVotingService

PATH = "/ussd/africastalking"
FORM = "application/x-www-form-urlencoded"


@dataclass
class Here:
    client: TestClient[web.Request, web.Application]
    service: FakeVotingService
    sessions: MemorySessions = field(default_factory=MemorySessions)

    async def post(self, body: bytes | str, kind: str = FORM, path: str = PATH) -> tuple[int, str]:
        data = body.encode() if isinstance(body, str) else body
        async with self.client.post(path, data=data, headers={"Content-Type": kind}) as answer:
            return answer.status, await answer.text()

    async def hop(self, text: str = "", path: str = PATH, **changes: str) -> tuple[int, str]:
        fields = {"sessionId": "s1", "phoneNumber": MTN, "networkCode": "61205", "serviceCode": "*789#", "text": text}
        return await self.post(urlencode({**fields, **changes}), path=path)


async def opened(secret: str | None) -> AsyncIterator[Here]:
    service, sessions = demo_service(), MemorySessions()
    async with TestClient(TestServer(application(service, sessions, secret=secret))) as client:
        yield Here(client, service, sessions)


@pytest.fixture
async def here() -> AsyncIterator[Here]:
    async for one in opened(None):
        yield one


@pytest.fixture
async def guarded() -> AsyncIterator[Here]:
    async for one in opened("pässwörd"):
        yield one


async def test_a_hop(here: Here) -> None:
    async with here.client.post(PATH, data={"sessionId": "s", "phoneNumber": MTN, "serviceCode": "*789#"}) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/plain"
        assert (await answer.read()).startswith(b"CON Star d'Abidjan\n")


async def test_a_vote(here: Here) -> None:
    assert (await here.hop("07*5"))[1].startswith("CON ")
    status, text = await here.hop("07*5*1")
    assert (status, text[:4]) == (200, "END ")
    assert here.service.sold() == [("07", 5, MTN)]


async def test_a_bare_plus_is_repaired(here: Here) -> None:
    body = f"sessionId=s1&phoneNumber={MTN}&serviceCode=*789#&text=07*5*1"
    assert (await here.post(body))[1].startswith("END ")
    assert here.service.sold() == [("07", 5, MTN)]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", FORM),
        (b"text=07", FORM),
        (b"sessionId=s1&text=07", FORM),
        (b"sessionId=s1&phoneNumber=&serviceCode=*789%23&text=", FORM),
        (b"phoneNumber=%2B2250501020304&serviceCode=*789%23&text=", FORM),
        (b"sessionId[]=s1&phoneNumber[]=%2B2250501020304", FORM),
        (b"sessionId=s1&phoneNumber=%2B2250501020304&text=\xff\xfe", FORM),
        (b"sessionId=s1&phoneNumber=%2B2250501020304&text=%FF%FE", FORM),
        (b"sessionId=s1&phoneNumber=%2B2250501020304&text=" + b"1" * 2_000, FORM),
        (b"sessionId=s1&phoneNumber=%2B2250501020304&text=" + b"1" * 8_192, FORM),
        (b"x=" + b"1" * 100_000, FORM),
        (b"a=1&" * 60, FORM),
        (b'{"text": ""}', "application/json"),
        (b"sessionId=s1", "text/plain"),
        (b"--x\r\n\r\n--x--", "multipart/form-data; boundary=x"),
        (b"\x00\x01", "application/octet-stream"),
    ],
)
async def test_what_cannot_be_read_gets_one_clear_end(here: Here, body: bytes, kind: str) -> None:
    assert await here.post(body, kind) == (400, "END Demande illisible. Recomposez le code du vote.")
    assert (here.service.asked, here.sessions.held) == (0, {})


async def test_a_body_without_length_is_bounded_too(here: Here) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"sessionId=" + b"1" * 1_000

    async with here.client.post(PATH, data=endless(), headers={"Content-Type": FORM}) as answer:
        assert answer.status == 400
        assert (await answer.text()).startswith("END ")


async def test_a_body_that_does_not_arrive_is_not_waited_for(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "BODY_SECONDS", 0.05)
    arrives = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"sessionId=s1"
        await arrives.wait()

    async with here.client.post(PATH, data=slow(), headers={"Content-Type": FORM}) as answer:
        assert (answer.status, await answer.text()) == (400, "END Demande illisible. Recomposez le code du vote.")


async def test_an_unknown_charset_is_no_reason_to_fail(here: Here) -> None:
    body = urlencode({"sessionId": "s1", "phoneNumber": MTN, "serviceCode": "*789#"})
    status, text = await here.post(body, f"{FORM}; charset=klingon")
    assert (status, text[:4]) == (200, "CON ")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"serviceCode": "*000#"}, "Ce service n'existe pas"),
        ({"phoneNumber": "unknown"}, "Numéro incorrect"),
        ({"phoneNumber": "+33612345678"}, "numéros de son pays"),
    ],
)
async def test_who_cannot_be_served_gets_one_clear_end(here: Here, changes: dict[str, str], expected: str) -> None:
    status, text = await here.hop("07*5*1", **changes)
    assert (status, text[:4]) == (200, "END ")
    assert expected in text
    assert here.service.asked == 0


@pytest.mark.parametrize("key", ["", "?key=", "?key=wrong", "?key=p%C3%A4ssw%C3%B6rd%00", "?key=%ff", "?nokey=1"])
@pytest.mark.parametrize("path", [PATH, f"{PATH}/end"])
async def test_without_the_shared_word_nothing_is_served(guarded: Here, path: str, key: str) -> None:
    status, _ = await guarded.hop("07*5*1", path=f"{path}{key}")
    assert status == 403
    assert guarded.service.asked == 0


async def test_with_the_shared_word_it_is(guarded: Here) -> None:
    assert (await guarded.hop("", path=f"{PATH}?key=p%C3%A4ssw%C3%B6rd"))[1].startswith("CON ")


async def test_a_defect_of_ours_is_a_sentence(here: Here) -> None:
    here.service.broken = True
    status, text = await here.hop("07")
    assert (status, text[:4]) == (200, "END ")
    assert "pas répondu" in text


async def test_an_answer_that_takes_too_long_is_a_sentence(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(here.service, "place_order", never)
    monkeypatch.setattr(dialogue, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(here.service, "votes_of", never)
    assert (await here.hop("3"))[1] == "END Service occupé. Recomposez dans un instant."
    status, text = await here.hop("07*5*1")
    assert (status, text[:4]) == (200, "END ")
    assert "Si une demande de paiement arrive, votre vote est enregistré" in text


async def test_an_end_notice_is_taken_note_of(here: Here) -> None:
    notice = {"date": "2026-06-01 12:00:00", "status": "Incomplete", "durationInMillis": "4200", "hopsCount": "2"}
    assert (await here.hop("", path=f"{PATH}/end", input="07*5", **notice))[0] == 200
    assert (await here.hop("07*5*1", **notice))[0] == 200
    assert (await here.post(b"\xff", path=f"{PATH}/end"))[0] == 200
    assert (await here.post(b"{}", "application/json", path=f"{PATH}/end"))[0] == 200
    assert (here.service.asked, here.sessions.held) == (0, {})


async def test_only_post_and_only_known_aggregators(here: Here) -> None:
    async with here.client.get(PATH) as answer:
        assert answer.status == 405
    assert (await here.post(b"", path="/ussd/unknown"))[0] == 404
