"""Phones: numbers, dialogues, prompts, inbox, and the page that shows them."""

import asyncio
from typing import Any

import pytest

from sandbox.phones.network import network_of, parts, read_number, septets
from tests.sandbox.country import Country


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("0501020304", "+2250501020304"),
        ("05 01 02 03 04", "+2250501020304"),
        ("2250501020304", "+2250501020304"),
        ("+2250501020304", "+2250501020304"),
        ("002250501020304", "+2250501020304"),
        ("+237671234567", "+237671234567"),
        ("MTN", None),
        ("7890", None),
        ("++225", None),
        ("٠٥٠١٠٢٠٣٠٤", None),
    ],
)
def test_numbers(typed: str, number: str | None) -> None:
    assert read_number(typed) == number


def test_networks() -> None:
    names = [network_of(f"+225{prefix}01020304").name for prefix in ("01", "05", "07", "21")]
    assert names == ["Moov", "MTN", "Orange", ""]
    assert network_of("+2250501020304").code == "61205"


def test_alphabet_and_parts() -> None:
    assert septets("Désolé à Yao") == 12
    assert septets("garçon") is None
    assert septets("[€]") == 6
    assert [parts(c * n) for c, n in (("a", 160), ("a", 161), ("a", 307), ("ê", 70), ("ê", 71), ("€", 80))] == [
        1,
        2,
        3,
        1,
        2,
        1,
    ]


async def test_all_forms_of_a_number_are_one_phone(country: Country) -> None:
    await country.phone("dial", {"code": "*789#"}, "+2250501020304")
    status, body = await country.phone("reply", {"input": "07"}, "0501020304")
    assert (status, body["open"]) == (200, True)
    assert [call["text"] for call in country.bodies("/ussd/africastalking")] == ["", "07"]
    _, phone = await country.json("GET", "/phones/2250501020304")
    assert phone["msisdn"] == "+2250501020304"
    assert phone["network"] == "MTN"
    assert phone["session"] == {"screen": "Star d'Abidjan", "open": True}


@pytest.mark.parametrize("code", ["789", "*789", "#123#", "", "*#06#", "bonjour", "**789#"])
async def test_a_code_without_a_service(country: Country, code: str) -> None:
    status, body = await country.phone("dial", {"code": code})
    assert (status, body) == (200, {"screen": "Probleme de connexion ou code IHM non valide.", "open": False})
    assert country.calls == []


async def test_operators_own_codes_never_reach_the_gateway(country: Country) -> None:
    _, none = await country.phone("dial", {"code": "*133#"})
    assert none == {"screen": "Aucun paiement en attente.", "open": False}
    _, foreign = await country.phone("dial", {"code": "#144*82#"})
    assert "Orange" in foreign["screen"]
    assert country.calls == []


async def test_nothing_to_answer(country: Country) -> None:
    for path, body in (("reply", {"input": "1"}), ("prompt", {"pin": "0000"}), ("prompt", {"decline": True})):
        status, problem = await country.phone(path, body)
        assert (status, problem["status"]) == (409, 409)


async def test_hanging_up(country: Country) -> None:
    await country.phone("dial", {"code": "*789#"})
    assert await country.phone("hangup", {}) == (200, {"screen": "", "open": False})
    assert (await country.phone("reply", {"input": "1"}))[0] == 409


@pytest.mark.parametrize("limit", ["idle_seconds", "session_seconds"])
async def test_a_session_times_out(country: Country, limit: str) -> None:
    await country.order(ussd={limit: 0.03, "end_notice": True})
    await country.phone("dial", {"code": "*789#"})
    notice = (await country.until(lambda: country.bodies("/ussd/africastalking/end")))[0]
    assert notice["status"] == "Incomplete"
    assert (await country.phone("reply", {"input": "1"}))[0] == 409


async def test_garbage_is_a_bad_request(country: Country) -> None:
    bodies: list[Any] = [b"", b"{", b"[]", b"\xff", b"null", b'{"code": 7}', b'{"input": null}', b'{"pin": 0}']
    for path in ("dial", "reply", "sms", "prompt", "orange_pay"):
        for body in bodies:
            status, problem = await country.json("POST", f"/phones/0501020304/{path}", data=body)
            assert (status, problem["status"]) == (400, 400), (path, body)
    assert (await country.json("GET", "/phones/unknown/inbox"))[0] == 400
    url = "http://elsewhere.example.org/"
    assert (await country.phone("orange_pay", {"payment_url": url, "code": "1"}))[0] == 400
    async with country.client.delete("/phones/0501020304/inbox") as response:
        assert response.status == 405


async def test_control_refuses_what_it_does_not_know(country: Country) -> None:
    _, before = await country.json("GET", "/control")
    wrong: list[Any] = [
        {"nonsense": 1},
        {"autopay": "yes"},
        {"sms": {"delivery": "pigeon"}},
        {"sms": 1},
        {"status": {"x": 1}},
        {"balances": {"x": 1}},
        {"balances": {"0501020304": 1.5}},
        {"mtn_momo": 1},
        {"mtn_momo": {"status": 3}},
        {"orange_money": {"nonsense": 1}},
        [],
    ]
    for body in wrong:
        status, problem = await country.json("POST", "/control", json=body)
        assert (status, problem["status"]) == (400, 400), body
    assert (await country.json("GET", "/control"))[1] == before


async def test_control_merges_and_resets(country: Country) -> None:
    await country.order(callback={"mode": "twice"}, sms={"charset": True}, balances={"0501020304": 5})
    state = await country.order(callback={"delay_ms": 5}, mtn_momo={"autopay": True})
    assert state["callback"]["mode"] == "twice"
    assert state["sms"]["charset"] is True
    assert state["balances"]["mtn_momo"] == {"+2250501020304": 5}
    assert state["mtn_momo"] == {"autopay": True}
    state = await country.order(reset=True, autodecline=True)
    assert state["callback"]["mode"] == "once"
    assert (state["autodecline"], state["balances"], "mtn_momo" in state) == (True, {}, False)


async def test_the_page_and_the_small_print(country: Country) -> None:
    async with country.client.get("/?msisdn=0501020304") as response:
        assert (response.status, response.content_type) == (200, "text/html")
        page = await response.text()
    for name in ("handset.css", "handset.js", "crowd.js"):
        assert f"/handset/{name}" in page
        async with country.client.get(f"/handset/{name}") as response:
            assert response.status == 200
    assert (await country.json("GET", "/healthz"))[1] == {"status": "ok"}
    assert (await country.json("GET", "/statement/unknown.csv"))[0] == 404
    assert await country.json("GET", "/requests/unknown") == (200, [])


async def test_what_went_over_the_wire_is_shown(country: Country) -> None:
    await country.phone("dial", {"code": "*789#"})
    _, calls = await country.phone("exchange")
    assert calls[-1]["direction"] == "out"
    assert await country.json("GET", "/requests") == (200, {"africastalking": {"out": 1}})
    assert calls[-1]["answer"] == "CON Star d'Abidjan"
    assert "phoneNumber=%2B2250501020304" in calls[-1]["body"]


async def test_two_keys_pressed_at_once_are_two_hops(country: Country) -> None:
    await country.phone("dial", {"code": "*789#"})
    await asyncio.gather(country.phone("reply", {"input": "07"}), country.phone("reply", {"input": "5"}))
    texts = [call["text"] for call in country.bodies("/ussd/africastalking")]
    assert texts in (["", "07", "07*5"], ["", "5", "5*07"])
