"""Every provider answers its own cases, and keeps the promises that hold for all of them.

A case is data: the requests that must be made, what the operator answers to each, and the result.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import given as arbitrary
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.http.raw_exchange import RawRequest
from payments.provider import (
    CallbackSigner,
    Hint,
    NotFound,
    NotSent,
    Recovery,
    StillOpen,
    Succeeded,
    Unavailable,
    Unknown,
    Wallet,
)
from tests.contracts.provider_cases import (
    PAYER,
    REGISTRATIONS,
    build,
    case_files,
    check_request,
    collection,
    disbursement,
    key,
    operator,
    read_file,
    response,
    result_fields,
    token_turn,
)

OUTGOING = ("disburse", "query_disbursement", "balance", "holder_active")
CODES = sorted(REGISTRATIONS)
FILES = {code: read_file(code) for code in CODES}
every_provider = pytest.mark.parametrize("code", CODES)
every_token_holder = pytest.mark.parametrize("code", [code for code in CODES if "token" in FILES[code]])
PAGE = httpx.Response(200, headers={"Content-Type": "text/html"}, content=b"<html><body>Request Rejected</body></html>")
CUT = httpx.Response(200, headers={"Content-Type": "application/json"}, content=b'{"status": "SUCC')


def cases(*calls: str) -> list[Any]:
    return [
        pytest.param(code, case, id=f"{code}: {case['label']}")
        for code, file in FILES.items()
        for case in file["cases"]
        if case["call"] in calls
    ]


def test_provider_and_case_file_come_in_pairs() -> None:
    assert set(case_files()) == set(CODES)


@every_provider
def test_labels_differ_and_every_case_has_a_source(code: str) -> None:
    labels = [case["label"] for case in FILES[code]["cases"]]
    assert len(labels) == len(set(labels))
    assert all(case["source"] for case in FILES[code]["cases"])


@pytest.mark.parametrize(("code", "case"), cases("create", "query", "prepare", *OUTGOING))
async def test_call(code: str, case: Mapping[str, Any]) -> None:
    file, exchange = FILES[code], case.get("exchange", [])
    scripted = [(turn["request"], response(turn["answer"])) for turn in exchange]
    token = key(file["token"]["request"]) if "token" in file else None
    speaks_of_tokens = any(key(turn["request"]) == token for turn in exchange)
    if not speaks_of_tokens:
        scripted += token_turn(file)
    with operator(*scripted) as router:
        result = await _ask(code, case["call"], case.get("given", {}), case.get("settings"))
        sent = [call.request for call in router.calls]
    if not speaks_of_tokens:
        sent = [request for request in sent if (request.method, request.url.path) != token]
    assert len(sent) == len(exchange)
    for request, turn in zip(sent, exchange, strict=True):
        check_request(request, turn["request"])
    assert result_fields(result).items() >= case["expect"].items()
    _assert_nothing_shown(code, repr(result))


@pytest.mark.parametrize(("code", "case"), cases("parse_callback"))
async def test_callback(code: str, case: Mapping[str, Any]) -> None:
    given = case["given"]
    body = json.dumps(given["json"]) if "json" in given else given["body"]
    hints = await _hints(
        code, body.encode(), given.get("secrets", {}), given.get("method", "POST"), given.get("headers", {})
    )
    assert len(hints) == len(case["expect"])
    for hint, wanted in zip(hints, case["expect"], strict=True):
        assert result_fields(hint).items() >= wanted.items()


async def _hints(
    code: str,
    body: bytes,
    secrets: Mapping[str, str],
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
) -> tuple[Hint, ...]:
    provider = build(code)
    request = RawRequest(method, "", headers or {}, body)
    try:
        hints = provider.parse_callback(request, secrets)
        if isinstance(provider, CallbackSigner) and provider.is_signed(request) is False:
            assert hints == ()
        return hints
    finally:
        await provider.aclose()


async def _ask(code: str, what: str, given: Mapping[str, Any], settings: Mapping[str, Any] | None = None) -> Any:
    provider: Any = build(code, settings)
    try:
        if what == "create":
            order = {name: value for name, value in given.items() if name != "otp"}
            return await provider.create(collection(code, order), given.get("otp"))
        if what in ("query", "prepare"):
            return await getattr(provider, what)(collection(code, given))
        if what == "balance":
            return await provider.balance(Wallet(given["wallet"]), given["currency"], given["country"])
        if what == "holder_active":
            return await provider.holder_active(given["msisdn"])
        return await getattr(provider, what)(disbursement(code, given))
    finally:
        await provider.aclose()


async def _answered(code: str, what: str, answer: httpx.Response | type[Exception]) -> Any:
    """The result when the token is given and the business call meets this."""
    file = FILES[code]
    call = file["create" if what == "create" else "status"]
    with operator(*token_turn(file), (call["request"], answer)):
        return await _ask(code, what, call.get("given", {}))


def _json(status: int, body: object) -> httpx.Response:
    return httpx.Response(status, headers={"Content-Type": "application/json"}, content=json.dumps(body).encode())


def _with(body: Mapping[str, Any], path: list[str], value: object) -> dict[str, Any]:
    """The body with another value at a place in it."""
    inner = value if len(path) == 1 else _with(body[path[0]], path[1:], value)
    return {**body, path[0]: inner}


NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
LOST = (httpx.ReadTimeout, httpx.WriteTimeout, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)


@every_provider
@pytest.mark.parametrize("error", NEVER_LEFT)
async def test_no_connection_means_not_sent(code: str, error: type[Exception]) -> None:
    assert isinstance(await _answered(code, "create", error), NotSent)
    assert isinstance(await _answered(code, "query", error), Unavailable)


@every_provider
@pytest.mark.parametrize("error", LOST)
async def test_a_lost_answer_means_unknown(code: str, error: type[Exception]) -> None:
    assert isinstance(await _answered(code, "create", error), Unknown)
    assert isinstance(await _answered(code, "query", error), Unavailable)


@every_token_holder
@pytest.mark.parametrize("error", [*NEVER_LEFT, *LOST])
async def test_without_a_token_nothing_is_sent(code: str, error: type[Exception]) -> None:
    file = FILES[code]
    for what, call in (("create", file["create"]), ("query", file["status"])):
        with operator((file["token"]["request"], error)):
            result = await _ask(code, what, call.get("given", {}))
        assert isinstance(result, NotSent if what == "create" else Unavailable)
        assert not getattr(result, "alarm", False)


@every_provider
@pytest.mark.parametrize("status", [500, 502, 503, 504, 520])
async def test_a_broken_operator_may_have_taken_it(code: str, status: int) -> None:
    for body in ({}, {"code": "INTERNAL_PROCESSING_ERROR"}, {"code": 1}):
        assert isinstance(await _answered(code, "create", _json(status, body)), Unknown)
        assert isinstance(await _answered(code, "query", _json(status, body)), Unavailable)


@every_provider
async def test_too_fast(code: str) -> None:
    slow_down = httpx.Response(429, content=b"slow down")
    created = await _answered(code, "create", slow_down)
    assert isinstance(created, NotSent)
    assert created.throttled
    asked = await _answered(code, "query", slow_down)
    assert isinstance(asked, Unavailable)
    assert asked.throttled


@every_provider
@pytest.mark.parametrize(
    "answer", [PAGE, CUT, _json(200, []), _json(200, {}), _json(200, None), _json(200, {"status": 7.5})]
)
async def test_what_cannot_be_read_decides_nothing(code: str, answer: httpx.Response) -> None:
    created = await _answered(code, "create", answer)
    assert isinstance(created, Unknown) or getattr(created, "ask_first", False)
    assert isinstance(await _answered(code, "query", answer), Unavailable)


@every_provider
@pytest.mark.parametrize("word", ["IN_REVIEW", "success", "Successful", "DONE", "\ud800", "\x00", "x" * 5000])
async def test_an_unknown_status_is_still_open(code: str, word: str) -> None:
    usual = FILES[code]["status"]["answer"]
    status_at = FILES[code]["status"].get("status_at", ["status"])
    report = await _answered(code, "query", _json(usual["status"], _with(usual["json"], status_at, word)))
    assert isinstance(report, StillOpen)
    assert len(report.detail) <= 60
    assert report.detail.isprintable()


@every_provider
async def test_redirects_are_not_followed(code: str) -> None:
    elsewhere = httpx.Response(307, headers={"Location": "https://elsewhere.example/"})
    assert isinstance(await _answered(code, "create", elsewhere), Unknown)
    assert isinstance(await _answered(code, "query", elsewhere), Unavailable)


@every_provider
async def test_not_found_needs_the_word_of_the_operator(code: str) -> None:
    assert not isinstance(await _answered(code, "query", httpx.Response(404)), NotFound)


@every_provider
@hypothesis_settings(max_examples=150, deadline=None)
@arbitrary(
    body=st.one_of(
        st.binary(max_size=300),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda held: (
                st.lists(held)
                | st.dictionaries(
                    st.sampled_from(["status", "externalId", "notif_token", "reason", "amount"]) | st.text(), held
                )
            ),
            max_leaves=8,
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_a_callback_of_any_bytes_never_raises(code: str, body: bytes) -> None:
    secrets = FILES[code]["status"].get("given", {}).get("secrets", {})
    for hint in asyncio.run(_hints(code, body, secrets)):
        assert hint.proof is None
        assert len(hint.claimed) <= 60


@every_provider
def test_a_callback_that_is_deeply_nested_never_raises(code: str) -> None:
    assert asyncio.run(_hints(code, b"[" * 65_000, {})) == ()
    assert asyncio.run(_hints(code, b'{"status":' + b"9" * 60_000 + b"}", {})) == ()


@every_provider
async def test_nothing_secret_is_shown(code: str) -> None:
    file = FILES[code]
    answers: list[httpx.Response | type[Exception]] = [
        response(file["create"]["answer"]),
        response(file["status"]["answer"]),
        _json(400, {"code": f"payer {PAYER} unknown", "message": PAYER}),
        _json(500, {"code": PAYER[1:]}),
        PAGE,
        httpx.ReadTimeout,
        httpx.ConnectError,
    ]
    with capture_logs() as lines:
        for answer in answers:
            for what in ("create", "query"):
                _assert_nothing_shown(code, repr(await _answered(code, what, answer)))
    assert len([line for line in lines if line["event"] == "operator_called"]) >= 2 * len(answers)
    _assert_nothing_shown(code, repr(lines))
    given = file["status"].get("given", {})
    settings = REGISTRATIONS[code].settings.model_validate(file["settings"])
    provider = build(code)
    _assert_nothing_shown(code, repr([provider, vars(provider), settings, collection(code, given)]))
    await provider.aclose()


def _payer(code: str) -> str:
    return collection(code, {}).payer or PAYER


def _assert_nothing_shown(code: str, text: str) -> None:
    for hidden in (*FILES[code]["hidden"], PAYER[1:], PAYER[4:], _payer(code)[1:], _payer(code)[4:]):
        assert hidden not in text, hidden
    assert not re.search(r"\+?225\d{10}", text)


@every_provider
async def test_the_evidence_holds_no_number(code: str) -> None:
    usual = FILES[code]["status"]["answer"]
    payer = _payer(code)
    body = usual["json"] | {"payer": {"partyId": payer[1:]}, "msisdn": payer, "note": f"of {payer[4:]}"}
    report = await _answered(code, "query", _json(usual["status"], body))
    assert isinstance(report, Succeeded)
    _assert_nothing_shown(code, report.raw)


@every_provider
async def test_each_call_has_one_line_with_reference_status_and_time(code: str) -> None:
    with capture_logs() as lines:
        await _answered(code, "query", response(FILES[code]["status"]["answer"]))
    status = [line for line in lines if line["event"] == "operator_called" and line["call"] != "token"]
    assert len(status) == 1
    assert status[0]["reference"] == str(collection(code, {}).reference)
    assert status[0]["status"] == FILES[code]["status"]["answer"]["status"]
    assert status[0]["milliseconds"] >= 0


@every_token_holder
async def test_many_at_once_ask_for_one_token(code: str) -> None:
    file = FILES[code]
    with operator(*token_turn(file), (file["create"]["request"], response(file["create"]["answer"]))) as router:
        provider = build(code)
        given = file["create"].get("given", {})
        await asyncio.gather(*(provider.create(collection(code, {**given, "reference": uuid4()})) for _ in range(20)))
        await provider.aclose()
    asked = [call for call in router.calls if call.request.url.path == file["token"]["request"]["path"]]
    assert len(asked) == 1


@every_provider
def test_capabilities_are_complete(code: str) -> None:
    provider = build(code)
    usual = collection(code, {})
    can = provider.capabilities(usual.country)
    assert provider.code == code
    assert usual.amount.currency in can.currencies
    assert can.kinds
    assert list(can.ladder_seconds) == sorted(can.ladder_seconds)
    assert can.open_seconds > can.ladder_seconds[0]
    assert can.recovery in Recovery
    asyncio.run(provider.aclose())
