"""What every USSD aggregator file must do, from its case file `tests/channels/ussd/cases/<code>.json`.

A case is a label, its kind, where it comes from, the exchanges of one dialogue in order (a body as it
arrives, the answer as it must leave) and the orders that are placed by then. `padding`: so many more
bytes behind the body.
"""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import hdrs
from aiohttp.test_utils import TestClient, TestServer

import channels.ussd.aggregators
from channels.ussd import screens
from channels.ussd.aggregator import Malformed, Registration, UssdTurn
from gateway.discovery import discover
from gateway.ports.raw_exchange import RawRequest
from tests.channels.ussd.house import MemorySessions, TalkingHouse, application

CASES: Final = Path(__file__).parents[1] / "channels" / "ussd" / "cases"
KINDS: Final = frozenset(
    {
        "first_hop",
        "next_hop",
        "one_dial",
        "wrong_input",
        "repeat",
        "out_of_order",
        "unknown_service_code",
        "malformed",
        "oversized",
    }
)
AGGREGATORS: Final[dict[str, Registration]] = discover(channels.ussd.aggregators)

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


@pytest.mark.parametrize(("code", "case"), all_cases())
async def test_case(code: str, case: dict[str, Any]) -> None:
    house, sessions = TalkingHouse(), MemorySessions()
    app = application(house, sessions, aggregator=AGGREGATORS[code].aggregator)
    async with TestClient(TestServer(app)) as client:
        for exchange in case["exchanges"]:
            house.pass_time(exchange.get("after_seconds", 3))
            given, wanted = exchange["request"], exchange["answer"]
            body = given["body"].encode() + b"x" * given.get("padding", 0)
            headers = {hdrs.CONTENT_TYPE: given["content_type"]}
            async with client.post(f"/ussd/{code}", data=body, headers=headers) as answer:
                text = await answer.text()
                assert (answer.status, answer.content_type) == (wanted["status"], wanted["content_type"]), text
            assert text.startswith(wanted["begins"]), text
            for part in wanted["contains"]:
                assert part in text, text
    assert [
        {"candidate": w.candidate_code, "votes": w.quantity, "payer": w.payer.e164 if w.payer else None}
        for w in house.wishes
    ] == case["orders"]


@every_aggregator
def test_no_request_makes_it_raise(code: str) -> None:
    aggregator = AGGREGATORS[code].aggregator
    requests = [
        RawRequest("POST", f"/ussd/{code}", {}, body) for body in (b"", b"{}", b"[]", b"null", b"\xff", b"1" * 9_000)
    ]
    for case in cases_of(code):
        for exchange in case["exchanges"]:
            names = [pair.partition("=")[0] for pair in exchange["request"]["body"].split("&")]
            values = ("", " ", "\x00", "💥" * 50, "+" * 300, "1" * 5_000)
            requests += [RawRequest("POST", f"/ussd/{code}", {}, b"", dict.fromkeys(names, value)) for value in values]
    for request in requests:
        read = aggregator.read(request)
        assert isinstance(read, UssdTurn | Malformed)
        if isinstance(read, UssdTurn):
            assert read.session_id
            assert read.msisdn.strip()


@every_aggregator
def test_its_screens_hold_ours_and_leave_as_they_are(code: str) -> None:
    aggregator = AGGREGATORS[code].aggregator
    assert aggregator.code == code
    assert aggregator.content_types
    assert aggregator.screen_septets_max >= screens.SEPTETS_MAX
    for more in (True, False):
        answer = aggregator.write("Déjà voté: 5€\n0 Retour", more=more, turn=None)
        assert answer.status == 200
        assert "Déjà voté: 5€" in answer.body.decode()
    going_on, ending = (aggregator.write("x", more=more, turn=None).body for more in (True, False))
    assert going_on != ending
