"""Africa's Talking: the forms it posts, the answers it takes, the SMS it sends."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.sandbox.country import Country

USSD = "/ussd/africastalking"
SMS = "/sms/africastalking"
REPORT = "/sms/africastalking/delivery"
NUMBER = "+2250501020304"
KEY = {"apiKey": "key", "Accept": "application/json"}


def says(text: str, status: int = 200) -> Any:
    async def answer(_: Any) -> web.Response:
        return web.Response(text=text, status=status)

    return answer


async def violations(country: Country) -> list[str]:
    _, found = await country.json("GET", "/control/violations")
    return [violation["kind"] for violation in found]


async def send(country: Country, **form: str) -> tuple[int, Any]:
    fields = {"username": "sandbox", "to": NUMBER, "message": "Bonjour", "bulkSMSMode": "1", **form}
    return await country.json("POST", "/africastalking/version1/messaging", headers=KEY, data=fields)


async def test_the_form_of_a_hop(country: Country) -> None:
    await country.phone("dial", {"code": "*789#"})
    await country.phone("reply", {"input": "07"})
    await country.phone("reply", {"input": "5"})
    calls = country.bodies(USSD)
    assert [call["text"] for call in calls] == ["", "07", "07*5"]
    assert len({call["sessionId"] for call in calls}) == 1
    assert calls[0]["sessionId"].startswith("ATUid_")
    assert {key: calls[2][key] for key in ("phoneNumber", "networkCode", "serviceCode")} == {
        "phoneNumber": NUMBER,
        "networkCode": "61205",
        "serviceCode": "*789#",
    }
    body = country.raw[2][0].decode()
    assert "phoneNumber=%2B2250501020304" in body
    assert "serviceCode=*789%23" in body
    assert body.endswith("text=07*5")


@pytest.mark.parametrize(
    ("shape", "service_code", "text"),
    [("text", "*789#", "07*5*1"), ("service_code", "*789*07*5*1#", ""), ("lost", "*789#", "")],
)
async def test_one_dial_votes_arrive_in_three_shapes(
    country: Country, shape: str, service_code: str, text: str
) -> None:
    await country.order(ussd={"deep_dial": shape})
    await country.phone("dial", {"code": "*789*07*5*1#"})
    call = country.bodies(USSD)[0]
    assert (call["serviceCode"], call["text"]) == (service_code, text)


async def test_registered_codes_of_more_segments(country: Country) -> None:
    await country.order(ussd={"service_codes": ["*384*77#"]})
    await country.phone("dial", {"code": "*384*77*07#"})
    call = country.bodies(USSD)[0]
    assert (call["serviceCode"], call["text"]) == ("*384*77#", "07")


async def test_sending_nothing_adds_a_bare_star_but_not_on_the_first_screen(country: Country) -> None:
    await country.phone("dial", {"code": "*789#"})
    for typed in ("", "07", ""):
        await country.phone("reply", {"input": typed})
    assert [call["text"] for call in country.bodies(USSD)] == ["", "", "07", "07*"]


async def test_an_end_closes_the_session(country: Country) -> None:
    country.answers[USSD] = says("END Merci")
    assert await country.phone("dial", {"code": "*789#"}) == (200, {"screen": "Merci", "open": False})
    assert (await country.phone("reply", {"input": "1"}))[0] == 409
    assert await violations(country) == []


@pytest.mark.parametrize(
    ("text", "status", "kind"),
    [
        ("con Bonjour", 200, "prefix"),
        ("", 200, "prefix"),
        ("\ufeffCON Bonjour", 200, "prefix"),
        ("CON garçon", 200, "alphabet"),
        (f"CON {'x' * 183}", 200, "too_long"),
        (f"CON {'€' * 92}", 200, "too_long"),
        ("CON ", 200, "empty"),
        ("CON Bonjour", 500, "http_status"),
    ],
)
async def test_a_breach_ends_the_session_and_is_recorded(country: Country, text: str, status: int, kind: str) -> None:
    country.answers[USSD] = says(text, status)
    _, body = await country.phone("dial", {"code": "*789#"})
    assert body["open"] is False
    assert "indisponible" in body["screen"]
    assert await violations(country) == [kind]
    assert (await country.phone("reply", {"input": "1"}))[0] == 409


async def test_an_answer_that_takes_too_long(country: Country) -> None:
    async def slow(_: Any) -> web.Response:
        await asyncio.sleep(0.2)
        return web.Response(text="CON zu spaet")

    await country.order(ussd={"answer_seconds": 0.05})
    country.answers[USSD] = slow
    _, body = await country.phone("dial", {"code": "*789#"})
    assert body["open"] is False
    assert await violations(country) == ["no_answer"]


async def test_a_screen_may_be_held_to_160(country: Country) -> None:
    country.answers[USSD] = says(f"CON {'x' * 161}")
    assert (await country.phone("dial", {"code": "*789#"}))[1]["open"] is True
    await country.order(ussd={"septets_max": 160})
    assert (await country.phone("dial", {"code": "*789#"}))[1]["open"] is False


async def test_repeated_hops(country: Country) -> None:
    await country.order(ussd={"repeat_hop": True})
    await country.phone("dial", {"code": "*789#"})
    assert country.raw[0] == country.raw[1]
    assert await violations(country) == []
    numbers = iter(range(10))

    async def counting(_: Any) -> web.Response:
        return web.Response(text=f"CON {next(numbers)}")

    country.answers[USSD] = counting
    await country.phone("dial", {"code": "*789#"})
    assert await violations(country) == ["repeated_hop_answered_differently"]


async def test_other_ussd_faults(country: Country) -> None:
    await country.order(ussd={"network_code": "missing", "plain_plus": True})
    await country.phone("dial", {"code": "*789#"})
    assert "networkCode" not in country.bodies(USSD)[0]
    assert country.bodies(USSD)[0]["phoneNumber"] == " 2250501020304"
    await country.order(ussd={"network_code": "word", "lose_answer": True})
    _, body = await country.phone("dial", {"code": "*789#"})
    assert body["open"] is False
    assert country.bodies(USSD)[1]["networkCode"] == "mtn"


async def test_the_end_notice(country: Country) -> None:
    await country.order(ussd={"end_notice": True})
    await country.phone("dial", {"code": "*789#"})
    country.answers[USSD] = says("END Merci")
    await country.phone("reply", {"input": "07"})
    notice = (await country.until(lambda: country.bodies(f"{USSD}/end")))[0]
    assert (notice["status"], notice["hopsCount"], notice["input"]) == ("Success", "2", "07")
    assert notice["lastAppResponse"] == "END Merci"


async def test_a_text_is_repeated_until_it_is_taken(country: Country) -> None:
    await country.order(sms={"repeat_seconds": 0.01})
    answers = iter((503, 500, 200))

    async def grudging(_: Any) -> web.Response:
        return web.Response(status=next(answers))

    country.answers[SMS] = grudging
    status, sent = await country.phone("sms", {"to": "7890", "text": "VOTE 07 5 ê 🔥"})
    assert status == 200
    calls = await country.until(lambda: len(country.bodies(SMS)) == 3 and country.bodies(SMS))
    await asyncio.sleep(0.03)
    assert len(country.bodies(SMS)) == 3
    assert {call["id"] for call in calls} == {sent["id"]}
    assert (calls[0]["from"], calls[0]["to"], calls[0]["text"]) == (NUMBER, "7890", "VOTE 07 5 ê 🔥")
    assert (calls[0]["linkId"], calls[0]["networkCode"]) == ("", "61205")


async def test_one_text_under_two_ids(country: Country) -> None:
    await country.order(sms={"inbound_twice": True, "iso_date": True})
    await country.phone("sms", {"to": "7890", "text": "07"})
    calls = await country.until(lambda: len(country.bodies(SMS)) == 2 and country.bodies(SMS))
    assert len({call["id"] for call in calls}) == 2
    assert calls[0]["date"].endswith("Z")


async def test_a_text_reaches_the_inbox_and_is_reported(country: Country) -> None:
    await country.order(sms={"delivery_delay_ms": 0})
    status, body = await send(country, **{"from": "7890"})
    assert status == 201
    recipient = body["SMSMessageData"]["Recipients"][0]
    assert body["SMSMessageData"]["Message"] == "Sent to 1/1 Total Cost: XOF 12.0000"
    assert (recipient["statusCode"], recipient["status"], recipient["cost"]) == (101, "Success", "XOF 12.0000")
    _, inbox = await country.phone("inbox")
    assert [(text["from"], text["text"]) for text in inbox] == [("7890", "Bonjour")]
    reports = await country.until(lambda: len(country.bodies(REPORT)) == 2 and country.bodies(REPORT))
    assert [(report["id"], report["status"]) for report in reports] == [
        (recipient["messageId"], "Sent"),
        (recipient["messageId"], "Success"),
    ]
    assert reports[0]["phoneNumber"] == NUMBER


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("none", []),
        ("twice", ["Sent", "Sent", "Success", "Success"]),
        ("reversed", ["Success", "Sent"]),
        ("failed", ["Sent", "Failed"]),
        ("early", ["Sent", "Success"]),
    ],
)
async def test_delivery_report_modes(country: Country, mode: str, words: list[str]) -> None:
    await country.order(sms={"delivery_delay_ms": 0, "delivery": mode})
    await send(country)
    if mode == "early":
        assert len(country.bodies(REPORT)) == 2
    await country.until(lambda: len(country.bodies(REPORT)) == len(words))
    await asyncio.sleep(0.02)
    assert [report["status"] for report in country.bodies(REPORT)] == words


async def test_parts_cost_and_mixed_recipients(country: Country) -> None:
    _, body = await send(country, to=f"{NUMBER}, +2250701020304,0501020304", message="é" * 161)
    data = body["SMSMessageData"]
    assert [r["statusCode"] for r in data["Recipients"]] == [101, 101, 403]
    assert data["Recipients"][0]["cost"] == "XOF 24.0000"
    assert data["Recipients"][2]["messageId"] == "None"
    assert data["Message"] == "Sent to 2/3 Total Cost: XOF 48.0000"


async def test_the_content_type_is_exact_unless_ordered_otherwise(country: Country) -> None:
    form = {"username": "sandbox", "to": NUMBER, "message": "x"}
    path = "/africastalking/version1/messaging"
    async with country.client.post(path, headers=KEY, data=form) as response:
        assert response.headers["Content-Type"] == "application/json"
    await country.order(sms={"charset": True})
    async with country.client.post(path, headers=KEY, data=form) as response:
        assert response.headers["Content-Type"] == "application/json; charset=utf-8"


async def test_refusals(country: Country) -> None:
    path = "/africastalking/version1/messaging"
    for form, headers, status in (
        ({"username": "sandbox", "to": NUMBER, "message": "x"}, {}, 401),
        ({"to": NUMBER, "message": "x"}, KEY, 401),
        ({"username": "sandbox", "to": NUMBER}, KEY, 400),
        ({"username": "sandbox", "message": "x"}, KEY, 400),
    ):
        async with country.client.post(path, headers=headers, data=form) as response:
            assert (response.status, response.content_type) == (status, "text/plain")
    for data, kind in ((b"\xff\xfe=%ff", "application/x-www-form-urlencoded"), (b"{}", "application/json")):
        async with country.client.post(path, headers={**KEY, "Content-Type": kind}, data=data) as response:
            assert 400 <= response.status < 500
    headers = {**KEY, "Content-Type": "multipart/form-data"}
    async with country.client.post(path, headers=headers, data=b"x") as response:
        assert 400 <= response.status < 500
    await country.order(sms={"no_recipients": True})
    assert (await send(country))[1]["SMSMessageData"] == {"Message": "InvalidSenderId", "Recipients": []}
    await country.order(sms={"no_recipients": False, "recipient_status": 405})
    assert (await send(country))[1]["SMSMessageData"]["Recipients"][0]["status"] == "InsufficientBalance"
    await country.order(sms={"error": 503})
    async with country.client.post(path, headers=KEY, data={"username": "s", "to": NUMBER, "message": "x"}) as response:
        assert response.status == 503
    assert (await country.phone("inbox"))[1] == []


async def test_a_slow_answer_comes_after_the_text(country: Country) -> None:
    await country.order(sms={"slow_after_send_ms": 100})
    sending = asyncio.create_task(send(country))
    await asyncio.sleep(0.05)
    assert len((await country.phone("inbox"))[1]) == 1
    assert not sending.done()
    assert (await sending)[0] == 201


async def test_issued_credentials_and_the_shared_word(tmp_path: Path) -> None:
    issued = {"api_key": "key", "username": "sandbox", "shared_secret": "a&b"}
    async with Country(tmp_path, {"africastalking": issued}) as country:
        assert (await send(country))[0] == 201
        await country.phone("dial", {"code": "*789#"})
        assert country.raw[-1][1] == "/ussd/africastalking?key=a%26b"
        path = "/africastalking/version1/messaging"
        async with country.client.post(path, headers={"apiKey": "other"}, data={"username": "sandbox"}) as response:
            assert response.status == 401


async def test_the_published_client_can_talk_to_it(country: Country) -> None:
    sms = pytest.importorskip("africastalking.SMS")
    service = sms.SMSService("sandbox", "key")
    service._baseUrl = str(country.client._base_url) + "africastalking/version1"
    answer = await asyncio.to_thread(service.send, "Bonjour", [NUMBER])
    assert answer["SMSMessageData"]["Recipients"][0]["statusCode"] == 101
