"""What bad input gets, from outside: a clear answer, nothing changed, never a 5xx."""

from typing import Any

import pytest

from tests.country import Country

pytestmark = pytest.mark.journey

GOOD = {
    "contest": "star",
    "candidateCode": "09",
    "quantity": 1,
    "paymentMethod": "MTN_MOBILE_MONEY",
    "voterPhone": "+2250522220001",
}

BAD_ORDERS = [
    {"candidateCode": "99"},
    {"contest": "nowhere"},
    {"quantity": 0},
    {"quantity": -1},
    {"quantity": 10**9},
    {"quantity": 10**30},
    {"quantity": "beaucoup"},
    {"quantity": None},
    {"voterPhone": "+33612345678"},
    {"voterPhone": "0501"},
    {"voterPhone": "'; drop table votes; --"},
    {"paymentMethod": "BARTER"},
    {"paymentMethod": "CARD"},
    {"surprise": True},
]


@pytest.mark.parametrize("change", BAD_ORDERS, ids=str)
def test_api(country: Country, change: dict[str, Any]) -> None:
    response = country.gateway.post("/api/votes/initiate", json={**GOOD, **change})
    assert 400 <= response.status_code < 500, response.text
    assert response.headers["content-type"].startswith("application/problem+json")
    assert {"type", "title", "status", "detail"} <= set(response.json())


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", {400, 422}),
        (b"", "application/json", {400, 422}),
        (b"[]", "application/json", {400, 422}),
        (b"\xff\xfe", "application/json", {400, 422}),
        (b"contest=star", "application/x-www-form-urlencoded", {415}),
        (b'{"a": "' + b"x" * 200_000 + b'"}', "application/json", {413}),
    ],
)
def test_api_body(country: Country, content: bytes, kind: str, status: set[int]) -> None:
    response = country.gateway.post("/api/votes/initiate", content=content, headers={"Content-Type": kind})
    assert response.status_code in status


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"sessionId": "s1"},
        {"sessionId": "s1", "phoneNumber": "unknown", "serviceCode": "*789#", "text": ""},
        {"sessionId": "s2", "phoneNumber": "+2250522220002", "serviceCode": "*000#", "text": ""},
        {"sessionId": "s3", "phoneNumber": "+2250522220002", "serviceCode": "*789#", "text": "99*5*1"},
        {"sessionId": "s4", "phoneNumber": "+2250522220002", "serviceCode": "*789#", "text": "07*-1"},
        {"sessionId": "s5", "phoneNumber": "+2250522220002", "serviceCode": "*789#", "text": "07*1000000000*1"},
        {"sessionId": "s6", "phoneNumber": "+2250522220002", "serviceCode": "*789#", "text": "💥*" * 20},
    ],
    ids=str,
)
def test_ussd(country: Country, form: dict[str, str]) -> None:
    response = country.gateway.post("/ussd/africastalking", data=form)
    assert response.status_code in (200, 400)
    assert response.text.startswith(("CON ", "END "))
    assert country.phone("+2250522220002").prompt() is None


def test_ussd_oversized_and_of_another_type(country: Country) -> None:
    big = country.gateway.post("/ussd/africastalking", data={"text": "1" * 100_000})
    other = country.gateway.post("/ussd/africastalking", json={"text": ""})
    for response in (big, other):
        assert response.status_code < 500
        assert response.text.startswith("END ")


def test_forged_and_unknown_callbacks_change_nothing(country: Country) -> None:
    before = country.gateway.get("/api/contests/star/leaderboard").json()
    body = {"status": "SUCCESSFUL", "amount": "500000", "currency": "XOF", "externalId": "SPUNKNOWN0000000"}
    for method in ("POST", "PUT"):
        for path in ("", "/forged", "/" + "A" * 43):
            response = country.gateway.request(method, f"/api/webhooks/mtn_momo{path}", json=body)
            assert (response.status_code, response.content) == (200, b"")
    garbage = country.gateway.post("/api/webhooks/orange_money/x", content=b"\x00\xff" * 500)
    assert garbage.status_code == 200
    assert country.gateway.post("/api/webhooks/unknown", json=body).status_code == 404
    assert country.gateway.post("/api/webhooks/mtn_momo", content=b"x" * 1_000_000).status_code == 413
    assert country.gateway.get("/api/contests/star/leaderboard").json() == before


@pytest.mark.parametrize("text", ["VOTE 99 5", "VOTE 07 0", "VOTE 07 -5", "VOTE 07 1000000000", "VOTE 500", "????"])
def test_sms_gets_a_sentence_and_no_prompt(country: Country, text: str) -> None:
    phone = country.phone(f"+22505333{len(text) * 100 + ord(text[-1]):05d}")
    phone.text("7890", text)
    if text != "????":
        assert phone.wait_for_text("")
    assert phone.prompt() is None


@pytest.mark.parametrize(
    "path", ["/api/nothing", "/api/votes/not-an-id", "/c/nowhere", "/verify/0000000001", "/votes/x"]
)
def test_unknown_addresses(country: Country, path: str) -> None:
    assert country.gateway.get(path).status_code == 404


def test_wrong_method_is_405(country: Country) -> None:
    response = country.gateway.delete("/api/votes/initiate")
    assert response.status_code == 405
    assert "POST" in response.headers["allow"]
