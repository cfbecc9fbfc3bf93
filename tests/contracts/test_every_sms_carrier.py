"""Every carrier reads and sends as its own cases say, and keeps the promises that hold for all.

A case is data: a form or a query as it goes over the wire and what it means, or an answer to a send
and what that means (fields that are left out have their defaults). Sends go over real HTTP to a server
that answers as the case says, because a carrier's library may bring its own HTTP client.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

import channels.sms.carriers
from channels.messages.carrier import IncomingText, OutboundText, SendAccepted, SendRefused, SendUnknown
from channels.sms.carrier import DeliveryReport, Malformed, SmsCarrier
from channels.sms.carriers import africastalking, kannel
from gateway.http.raw_exchange import RawRequest
from gateway.runtime.discovery import discover
from payments.http_call import HttpCaller

CASES_DIRECTORY = Path(__file__).parents[1] / "channels" / "sms" / "cases"
REGISTRATIONS = discover(channels.sms.carriers)
CODES = sorted(REGISTRATIONS)
REFERENCE = "6a1f0f6e-0d6f-4a0e-9d3c-0c8f8a3b2d11"
TEXT = OutboundText("+2250501020304", "Merci! 5 votes pour 07", REFERENCE)
RESULTS = {kind.__name__: kind for kind in (SendAccepted, SendRefused, SendUnknown)}
every_carrier = pytest.mark.parametrize("code", CODES)


def read_file(code: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CASES_DIRECTORY / f"{code}.json").read_text())
    return found


FILES = {code: read_file(code) for code in CODES}


def build(code: str, base_url: str = "http://127.0.0.1:9") -> SmsCarrier:
    """The carrier as the container builds it, calling this address."""
    registration = REGISTRATIONS[code]
    given = {**FILES[code]["settings"], "base_url": base_url}
    built: SmsCarrier = registration.build(registration.settings.model_validate(given))
    return built


def cases(kind: str) -> list[Any]:
    return [
        pytest.param(code, case, id=f"{code}: {case['label']}") for code, file in FILES.items() for case in file[kind]
    ]


def request(case: Mapping[str, Any]) -> RawRequest:
    """A call of the carrier, its query decoded as the routes do it."""
    query = dict(parse_qsl(case.get("query", ""), keep_blank_values=True, errors="surrogateescape"))
    return RawRequest("POST" if "form" in case else "GET", "/sms", {}, b"", case.get("form", {}), query)


Answer = Callable[[web.Request], Any]


@dataclass
class Company:
    """The carrier's server: what it was asked, and how many requests it held at once."""

    url: str = ""
    asked: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    held: int = 0
    held_most: int = 0


@asynccontextmanager
async def company(answer: Answer) -> AsyncIterator[Company]:
    """A server on a free port that answers every request so."""
    seen = Company()

    async def handle(arrived: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await arrived.post()).items()} or dict(arrived.query)
        seen.asked.append((arrived.path, {k.lower(): v for k, v in arrived.headers.items()}, form))
        seen.held += 1
        seen.held_most = max(seen.held_most, seen.held)
        try:
            response: web.StreamResponse = await answer(arrived)
            return response
        finally:
            seen.held -= 1

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        seen.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield seen
    finally:
        await runner.cleanup()


def answering(case: Mapping[str, Any]) -> Answer:
    if "recipient" in case:
        code, word = case["recipient"]
        recipient = {"statusCode": code, "number": TEXT.to, "status": word, "cost": "0", "messageId": "None"}
        case = {
            "status": 201,
            "content_type": "application/json",
            "body": {"SMSMessageData": {"Message": "Sent to 0/1", "Recipients": [recipient]}},
        }
    body = case["body"] if isinstance(case["body"], str) else json.dumps(case["body"])

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=case["status"], body=body.encode(), headers={"Content-Type": case["content_type"]})

    return answer


def test_carrier_and_case_file_come_in_pairs() -> None:
    assert {path.stem for path in CASES_DIRECTORY.glob("*.json")} == set(CODES)


@every_carrier
def test_labels_differ_and_every_case_has_a_source(code: str) -> None:
    for kind in ("messages", "reports", "sends"):
        labels = [case["label"] for case in FILES[code][kind]]
        assert len(labels) == len(set(labels))
        assert all(case["source"] for case in FILES[code][kind])


@every_carrier
def test_one_word_names_everything(code: str) -> None:
    assert build(code).code == code
    assert isinstance(build(code).read_message(request({})), Malformed)


@every_carrier
def test_secrets_are_not_shown(code: str) -> None:
    model = REGISTRATIONS[code].settings.model_validate({**FILES[code]["settings"], "base_url": "http://x"})
    secrets = {"api_key", "password", "shared_secret"} & FILES[code]["settings"].keys()
    assert secrets
    assert not [name for name in secrets if FILES[code]["settings"][name] in repr(model)]


@pytest.mark.parametrize(("code", "case"), cases("messages"))
def test_reads_a_text(code: str, case: Mapping[str, Any]) -> None:
    read = build(code).read_message(request(case))
    if case["means"] == "malformed":
        assert isinstance(read, Malformed)
    else:
        assert read == IncomingText(**case["means"])


@pytest.mark.parametrize(("code", "case"), cases("reports"))
def test_reads_a_delivery_report(code: str, case: Mapping[str, Any]) -> None:
    read = build(code).read_delivery_report(request(case))
    if case["means"] == "malformed":
        assert isinstance(read, Malformed)
    else:
        assert read == DeliveryReport(**case["means"])


@pytest.mark.parametrize(("code", "case"), cases("sends"))
async def test_sends(code: str, case: Mapping[str, Any]) -> None:
    async with company(answering(case)) as server:
        carrier = build(code, server.url)
        result = await carrier.send(TEXT)
        await carrier.aclose()
    means = case["means"]
    if isinstance(means, str):
        assert type(result).__name__ == means
    else:
        ((name, fields),) = means.items()
        assert result == RESULTS[name](**fields)
    (path, headers, form), *more = server.asked
    wanted = FILES[code]["send_request"]
    assert not more
    assert path == wanted["path"]
    assert form == wanted["form"]
    assert wanted["headers"].items() <= headers.items()


@every_carrier
async def test_what_never_left_may_be_sent_again(code: str) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        carrier = build(code, f"http://127.0.0.1:{silent.getsockname()[1]}")
        result = await carrier.send(TEXT)
        await carrier.aclose()
    assert isinstance(result, SendRefused)
    assert not result.permanent


@every_carrier
async def test_a_line_cut_before_the_answer_is_unknown(code: str) -> None:
    async def hang_up(arrived: web.Request) -> web.Response:
        assert arrived.transport is not None
        arrived.transport.close()
        return web.Response()

    async with company(hang_up) as server:
        carrier = build(code, server.url)
        result = await carrier.send(TEXT)
        await carrier.aclose()
    assert isinstance(result, SendUnknown)


@every_carrier
@pytest.mark.parametrize("to", ["", "MTN", "7890x", "+"])
async def test_what_is_no_number_is_never_sent(code: str, to: str) -> None:
    async with company(answering(FILES[code]["sends"][0])) as server:
        result = await build(code, server.url).send(OutboundText(to, "x"))
    assert isinstance(result, SendRefused)
    assert result.permanent
    assert not server.asked


@every_carrier
async def test_the_loop_goes_on_while_the_carrier_is_slow(code: str) -> None:
    reached, released = asyncio.Event(), asyncio.Event()

    async def wait(arrived: web.Request) -> web.StreamResponse:
        reached.set()
        await released.wait()
        response: web.StreamResponse = await answering(FILES[code]["sends"][0])(arrived)
        return response

    async with company(wait) as server:
        carrier = build(code, server.url)
        sends = [asyncio.ensure_future(carrier.send(TEXT)) for _ in range(40)]
        # The server runs on this loop too: it could not hold a request if a send blocked it.
        await reached.wait()
        released.set()
        results = await asyncio.gather(*sends)
        await carrier.aclose()
    assert all(isinstance(result, SendAccepted) for result in results)
    assert server.held_most <= africastalking.AT_ONCE_MAX


@every_carrier
async def test_slow_after_having_sent_is_unknown(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(africastalking, "TIMEOUTS", replace(africastalking.TIMEOUTS, read=0.2))
    monkeypatch.setattr(kannel, "ANSWER_SECONDS", 0.2)
    late = asyncio.Event()

    async def never(_: web.Request) -> web.Response:
        await late.wait()
        return web.Response()

    async with company(never) as server:
        carrier = build(code, server.url)
        result = await carrier.send(TEXT)
        late.set()
        await carrier.aclose()
    assert isinstance(result, SendUnknown)
    assert len(server.asked) == 1


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:8081/africastalking", "http://127.0.0.1:8081/africastalking/"])
def test_africastalking_calls_the_address_that_we_choose(base_url: str) -> None:
    service = africastalking._Service("sandbox", "key", base_url, HttpCaller(africastalking.CODE))
    assert service._make_url("/messaging") == "http://127.0.0.1:8081/africastalking/version1/messaging"
    assert service._make_url("/messaging", content=True) == "http://127.0.0.1:8081/africastalking/version1/messaging"


def test_kannel_is_given_a_report_address_without_a_number() -> None:
    carrier = build("kannel")
    assert isinstance(carrier, kannel.Kannel)
    assert TEXT.to[1:] not in carrier._fields(TEXT, REFERENCE)["dlr-url"]


async def test_kannel_codes_what_the_alphabet_lacks_as_ucs2() -> None:
    async with company(answering(FILES["kannel"]["sends"][0])) as server:
        carrier = build("kannel", server.url)
        await carrier.send(OutboundText(TEXT.to, "vote 07 🔥", REFERENCE))
        await carrier.aclose()
    (_, _, fields) = server.asked[0]
    assert (fields["coding"], fields["charset"], fields["text"]) == ("2", "UTF-8", "vote 07 🔥")


NAMES = st.sampled_from(
    ["id", "from", "to", "text", "status", "phoneNumber", "networkCode", "failureReason", "date", "coding", "reply"]
)


READERS = {code: build(code) for code in CODES}


@every_carrier
@settings(max_examples=500, derandomize=True, deadline=None)
@given(fields=st.dictionaries(NAMES, st.text(st.characters(), max_size=60)))
def test_reading_never_raises(code: str, fields: dict[str, str]) -> None:
    carrier = READERS[code]
    arrived = RawRequest(carrier.method, "/sms", {}, b"", fields, fields)
    for read in (carrier.read_message(arrived), carrier.read_delivery_report(arrived)):
        if not isinstance(read, Malformed):
            stored = "".join(str(value) for value in asdict(read).values())
            assert "\x00" not in stored
            stored.encode()
