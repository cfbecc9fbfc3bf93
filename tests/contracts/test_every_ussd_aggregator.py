"""What every USSD aggregator file must do, from its case file `tests/channels/ussd/cases/<code>.json`.

A case is a label, its kind, where it comes from, the exchanges of one dialogue in order (a request as it
arrives, the answer as it must leave) and the orders that are placed by then.

Of a request: `body` is text, or an object that travels as JSON; `method` is POST and `path`, behind
`/ussd/{code}`, empty unless given; `padding`: so many more bytes behind the body; `encoding`: UTF-8
unless given. Of an answer: `begins` and `contains` are text of it, `holds` values of its JSON, each of
just this type, by name or by `outer.inner`. `after_seconds`: since the exchange before, three unless given.
"""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import hdrs
from aiohttp.test_utils import TestClient, TestServer

import channels.ussd.aggregators
from channels.ussd.aggregator import Malformed, UssdAggregator, UssdTurn
from channels.ussd.menu.session import SEPTETS_MAX
from gateway.http.raw_exchange import RawRequest
from gateway.runtime.discovery import discover
from tests.channels.ussd.service import MemorySessions, application, demo_service

CASES: Final = Path(__file__).parents[1] / "channels" / "ussd" / "cases"
KINDS: Final = frozenset(
    {
        "first_hop",
        "next_hop",
        "one_dial",
        "back",
        "wrong_input",
        "repeat",
        "out_of_order",
        "end_notice",
        "timeout_notice",
        "unknown_service_code",
        "malformed",
        "oversized",
    }
)
AGGREGATORS: Final[dict[str, UssdAggregator]] = discover(channels.ussd.aggregators)

every_aggregator = pytest.mark.parametrize("code", AGGREGATORS)


def cases_of(code: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((CASES / f"{code}.json").read_text("utf-8"))
    return found


def all_cases() -> list[Any]:
    return [pytest.param(code, case, id=f"{code}: {case['label']}") for code in AGGREGATORS for case in cases_of(code)]


def test_each_aggregator_has_cases_and_each_case_file_an_aggregator() -> None:
    assert {path.stem for path in CASES.glob("*.json")} == set(AGGREGATORS)


@every_aggregator
def test_every_kind_of_case_is_there(code: str) -> None:
    cases = cases_of(code)
    assert {case["kind"] for case in cases} == KINDS
    assert all(case["source"] for case in cases)
    labels = [case["label"] for case in cases]
    assert len(set(labels)) == len(labels)


def body_of(request: dict[str, Any]) -> bytes:
    body = request["body"]
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return bytes(text, request.get("encoding", "utf-8")) + b"x" * int(request.get("padding", 0))


def value_at(answer: Any, name: str) -> Any:
    for step in name.split("."):
        answer = answer[step]
    return answer


def check(text: str, wanted: dict[str, Any]) -> None:
    assert text.startswith(wanted.get("begins", "")), text
    for part in wanted["contains"]:
        assert part in text, text
    for name, value in wanted.get("holds", {}).items():
        held = value_at(json.loads(text), name)
        assert (held, type(held)) == (value, type(value)), text


@pytest.mark.parametrize(("code", "case"), all_cases())
async def test_case(code: str, case: dict[str, Any]) -> None:
    service, sessions = demo_service(), MemorySessions()
    app = application(service, sessions, aggregator=AGGREGATORS[code])
    before: tuple[dict[str, Any], str] | None = None
    async with TestClient(TestServer(app)) as client:
        for exchange in case["exchanges"]:
            service.pass_time(exchange.get("after_seconds", 3))
            given, wanted = exchange["request"], exchange["answer"]
            headers = {hdrs.CONTENT_TYPE: given["content_type"]}
            path = f"/ussd/{code}{given.get('path', '')}"
            async with client.request(
                given.get("method", "POST"), path, data=body_of(given), headers=headers
            ) as answer:
                text = await answer.text()
                assert (answer.status, answer.content_type) == (wanted["status"], wanted["content_type"]), text
            check(text, wanted)
            if before is not None and before[0] == given and case["kind"] == "repeat":
                assert text == before[1]
            before = given, text
    assert [
        {"candidate": w.candidate_code, "votes": w.quantity, "payer": w.payer.e164 if w.payer else None}
        for w in service.vote_requests
    ] == case["orders"]


@every_aggregator
async def test_its_shared_word_is_asked_for_at_each_address(code: str) -> None:
    service, aggregator = demo_service(), AGGREGATORS[code]
    app = application(service, MemorySessions(), aggregator=aggregator, secret="word")
    given = next(case for case in cases_of(code) if case["kind"] == "first_hop")["exchanges"][0]["request"]
    headers = {hdrs.CONTENT_TYPE: given["content_type"]}
    async with TestClient(TestServer(app)) as client:
        for key, allowed in (("", False), ("?key=", False), ("?key=sword", False), ("?key=word", True)):
            for method, path in (*aggregator.addresses, ("POST", "/end")):
                address = f"/ussd/{code}{path.replace('{', '').replace('}', '')}{key}"
                async with client.request(method, address, data=body_of(given), headers=headers) as answer:
                    assert (answer.status == 403) is not allowed, address
    assert service.vote_requests == []


ODD_VALUES: Final[tuple[Any, ...]] = ("", " ", "\x00", "💥" * 50, "+" * 300, "1" * 5_000)
ODDER_VALUES: Final[tuple[Any, ...]] = (None, True, -1, 2**63, 1.5, [], ["07"], {}, {"a": {"b": 1}})


def spoilt(request: dict[str, Any], code: str) -> list[RawRequest]:
    """A request with each of its fields made odd."""
    path = f"/ussd/{code}{request.get('path', '').partition('?')[0]}"
    body = request["body"]
    if isinstance(body, str):
        names = [pair.partition("=")[0] for pair in body.split("&")]
        return [RawRequest("POST", path, {}, b"", dict.fromkeys(names, value)) for value in ODD_VALUES]
    changed = [{**body, name: value} for name in body for value in (*ODD_VALUES, *ODDER_VALUES)]
    changed += [dict.fromkeys(body, value) for value in (*ODD_VALUES, *ODDER_VALUES)]
    inner = [(name, key) for name, value in body.items() if isinstance(value, dict) for key in value]
    changed += [
        {**body, name: {**body[name], key: value}} for name, key in inner for value in (*ODD_VALUES, *ODDER_VALUES)
    ]
    return [RawRequest("POST", path, {}, json.dumps(one).encode()) for one in changed]


@every_aggregator
def test_no_request_makes_it_raise(code: str) -> None:
    aggregator = AGGREGATORS[code]
    bodies = (b"", b"{}", b"[]", b"null", b"\xff", b"1" * 9_000, b"[" * 5_000, b'{"a":' * 5_000, b'{"a": "\\ud800"}')
    requests = []
    for case in cases_of(code):
        for exchange in case["exchanges"]:
            path = f"/ussd/{code}{exchange['request'].get('path', '')}"
            requests += [RawRequest("POST", path, {}, body) for body in bodies]
            requests += spoilt(exchange["request"], code)
    for request in requests:
        read = aggregator.read(request)
        assert isinstance(read, UssdTurn | Malformed)
        if isinstance(read, UssdTurn):
            assert read.session_id
            assert read.msisdn.strip()
            for more in (True, False):
                assert aggregator.write("x", more=more, turn=read).status == 200


@every_aggregator
def test_its_screens_hold_ours_and_leave_as_they_are(code: str) -> None:
    aggregator = AGGREGATORS[code]
    assert aggregator.code == code
    assert aggregator.content_types
    assert aggregator.screen_septets_max >= SEPTETS_MAX
    for more in (True, False):
        answer = aggregator.write("Déjà voté: 5€\n0 Retour", more=more, turn=None)
        assert answer.status == 200
        assert "Déjà voté: 5€" in answer.body.decode()
    going_on, ending = (aggregator.write("x", more=more, turn=None).body for more in (True, False))
    assert going_on != ending
