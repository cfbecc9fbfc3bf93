"""What Stripe answers about disputes and refunds past us, one by one and in lists."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from payments.provider import FoundReversal, NotFound, ReversalTeller, Unavailable
from tests.contracts.provider_cases import OUTGOING_REFERENCE, build, operator

SINCE = datetime.fromtimestamp(1_796_000_000, UTC)
DISPUTE = {"id": "du_1", "object": "dispute", "amount": 500, "currency": "xof", "payment_intent": "pi_1"}
Page = tuple[Sequence[Mapping[str, Any]], bool]


def at(second: int) -> datetime:
    return datetime.fromtimestamp(1_796_000_000 + second, UTC)


def made(number: str, kind: str, second: int, **more: object) -> dict[str, object]:
    return {"id": number, "object": kind, "created": 1_796_000_000 + second, **more}


def answered(*pages: Page, what: str) -> list[tuple[dict[str, str], httpx.Response]]:
    asked = {"method": "GET", "path": f"/v1/{what}"}
    return [(asked, httpx.Response(200, json={"object": "list", "data": d, "has_more": m})) for d, m in pages]


async def test_lists_are_read_to_their_end_and_name_each_once() -> None:
    event = made("evt_1", "event", 90, type="charge.dispute.closed", data={"object": {**DISPUTE, "id": "du_old"}})
    ours = {"refund_id": str(OUTGOING_REFERENCE)}
    answers = [
        *answered(([made("du_2", "dispute", 20)], True), ([made("du_1", "dispute", 10)], False), what="disputes"),
        *answered(([made("re_1", "refund", 30), made("re_2", "refund", 31, metadata=ours)], False), what="refunds"),
        *answered(([event, made("evt_2", "event", 95, data={"object": {**DISPUTE}})], False), what="events"),
    ]
    with operator(*answers) as router:
        found = await cast(ReversalTeller, build("stripe")).reversals_since(SINCE)
        urls = [urlsplit(str(call.request.url)) for call in router.calls]
    assert isinstance(found, list)
    assert {(one.number, one.at) for one in found} == {
        ("du_1", at(95)),
        ("du_2", at(20)),
        ("re_1", at(30)),
        ("du_old", at(90)),
    }
    asked = [(url.path, parse_qs(url.query)) for url in urls]
    assert all(query["created[gte]"] == ["1796000000"] for _, query in asked)
    assert [query.get("starting_after") for _, query in asked] == [None, ["du_2"], None, None]
    assert asked[3] == ("/v1/events", {"created[gte]": ["1796000000"], "limit": ["100"], "type": ["charge.dispute.*"]})


@pytest.mark.parametrize("what", ["disputes", "refunds", "events"])
async def test_a_list_that_is_not_answered_leaves_all_for_the_next_time(what: str) -> None:
    lists = [answer for name in ("disputes", "refunds", "events") for answer in answered(([], False), what=name)]
    answers = [(asked, httpx.Response(503) if asked["path"].endswith(what) else reply) for asked, reply in lists]
    with operator(*answers):
        assert isinstance(await cast(ReversalTeller, build("stripe")).reversals_since(SINCE), Unavailable)


@pytest.mark.parametrize(
    ("number", "status", "body", "expected"),
    [
        ("du_1", 200, {**DISPUTE, "status": "lost"}, FoundReversal),
        ("du_1", 200, {**DISPUTE, "status": "lost", "id": "du_2"}, Unavailable),
        ("du_1", 200, {"object": "refund", "id": "du_1"}, Unavailable),
        ("du_1", 404, {"error": {"type": "invalid_request_error", "code": "resource_missing"}}, NotFound),
        ("du_1", 404, {}, Unavailable),
        ("du_1", 500, {}, Unavailable),
        ("re_1", 200, {**DISPUTE, "object": "refund", "id": "re_1", "status": "succeeded"}, FoundReversal),
    ],
)
async def test_one_is_asked_about(number: str, status: int, body: dict[str, object], expected: type) -> None:
    path = f"/v1/{'disputes' if number.startswith('du') else 'refunds'}/{number}"
    with operator(({"method": "GET", "path": path}, httpx.Response(status, json=body))):
        found = await cast(ReversalTeller, build("stripe")).reversal(number)
    assert isinstance(found, expected)
    if isinstance(found, FoundReversal):
        assert (found.number, found.reference, found.report is not None) == ("pi_1", None, True)


async def test_what_is_no_number_of_stripes_is_not_asked_about() -> None:
    for number in ("", "../charges/ch_1", "ch_1", "du_" + "x" * 200):
        assert isinstance(await cast(ReversalTeller, build("stripe")).reversal(number), NotFound)
