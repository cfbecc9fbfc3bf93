"""Kannel of the simulated country: what it takes, brings and reports."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web

from tests.sandbox.country import Country

NUMBER = "+2250501020304"
SMS, REPORT = "/sms/kannel", "/sms/kannel/delivery"
SEND = {"username": "demo", "password": "demo", "from": "7890", "to": NUMBER, "text": "Bonjour", "coding": "0"}


async def send(country: Country, **changes: str) -> tuple[int, str]:
    reports = {"dlr-mask": "27", "dlr-url": f"{country.gateway_url}{REPORT}?id=m1&status=%d&reply=%A"}
    async with country.client.get("/kannel/cgi-bin/sendsms", params={**SEND, **reports, **changes}) as response:
        return response.status, await response.text()


def queries(country: Country, path: str) -> list[dict[str, str]]:
    """Queries of the calls to a path, as they came."""
    found = [urlsplit(target) for _, target in country.raw]
    return [
        {name: values[0] for name, values in parse_qs(url.query, errors="surrogateescape").items()}
        for url in found
        if url.path == path
    ]


async def reported(country: Country, count: int) -> list[str]:
    await country.until(lambda: len(queries(country, REPORT)) == count)
    await asyncio.sleep(0.02)
    return [query["status"] for query in queries(country, REPORT)]


async def inbox(country: Country) -> list[tuple[str, str]]:
    _, held = await country.phone("inbox")
    return [(text["from"], text["text"]) for text in held]


async def test_a_text_reaches_the_inbox_and_is_reported(country: Country) -> None:
    await country.order(kannel={"delivery_delay_ms": 0})
    assert await send(country) == (202, "0: Accepted for delivery")
    assert await inbox(country) == [("7890", "Bonjour")]
    assert await reported(country, 2) == ["8", "1"]
    assert queries(country, REPORT)[0] == {"id": "m1", "status": "8", "reply": "ACK/"}


@pytest.mark.parametrize(
    ("mode", "mask", "values"),
    [
        ("normal", "1", ["1"]),
        ("twice", "27", ["8", "8", "1", "1"]),
        ("reversed", "27", ["1", "8"]),
        ("failed", "27", ["8", "2"]),
        ("rejected", "27", ["16"]),
        ("unknown_value", "27", ["128"]),
        ("none", "27", []),
        ("normal", "0", []),
    ],
)
async def test_delivery_report_modes(country: Country, mode: str, mask: str, values: list[str]) -> None:
    await country.order(kannel={"delivery_delay_ms": 0, "delivery": mode})
    await send(country, **{"dlr-mask": mask})
    assert await reported(country, len(values)) == values
    assert len(await inbox(country)) == (0 if mode == "rejected" else 1)


async def test_a_report_may_come_before_the_answer(country: Country) -> None:
    await country.order(kannel={"delivery": "early"})
    await send(country)
    assert len(queries(country, REPORT)) == 2


async def test_refusals(country: Country) -> None:
    for changes, status, text in (
        ({"username": ""}, 403, "Authorization failed for sendsms"),
        ({"to": ""}, 400, "Missing receiver number, rejected"),
        ({"to": "MTN"}, 400, "Number(s) has/have been denied by white- and/or black-lists."),
        ({"dlr-mask": "x"}, 400, "DLR-Mask field misformed, rejected"),
        ({"coding": "9"}, 400, "Coding field misformed, rejected"),
    ):
        assert await send(country, **changes) == (status, text)
    await country.order(kannel={"error": 503})
    assert await send(country) == (503, "Temporal failure, try again later.")
    await country.order(kannel={"error": 0, "no_route": True})
    assert await send(country) == (403, "Not routable. Do not try again.")
    assert await inbox(country) == []


async def test_queued_and_slow_after_having_sent(country: Country) -> None:
    await country.order(kannel={"queued": True, "slow_after_send_ms": 100})
    sending = asyncio.create_task(send(country))
    await asyncio.sleep(0.05)
    assert len(await inbox(country)) == 1
    assert await sending == (202, "3: Queued for later delivery")


@pytest.mark.parametrize(
    ("charset", "coding", "text"),
    [
        ("utf8", "0", "VOTE 07 é"),
        ("latin1", "1", "VOTE 07 \udce9"),
        ("utf16", "2", "\0V\0O\0T\0E\0 \x000\x007\0 \0\udce9"),
    ],
)
async def test_a_phones_text_is_brought_once(country: Country, charset: str, coding: str, text: str) -> None:
    await country.order(kannel={"charset": charset})
    status, sent = await country.phone("sms", {"to": "7890", "text": "VOTE 07 é", "carrier": "kannel"})
    assert status == 200
    await country.until(lambda: queries(country, SMS))
    await asyncio.sleep(0.02)
    assert queries(country, SMS) == [{"id": sent["id"], "from": NUMBER, "to": "7890", "text": text, "coding": coding}]


async def test_brought_again_where_it_is_set_up_so(country: Country) -> None:
    await country.order(sms={"carrier": "kannel"}, kannel={"inbound_tries": 3, "repeat_seconds": 0.01})

    async def away(_: Any) -> web.Response:
        return web.Response(status=503)

    country.answers[SMS] = away
    await country.phone("sms", {"to": "7890", "text": "07"})
    await country.until(lambda: len(queries(country, SMS)) == 3)


async def test_an_answer_that_a_voter_would_get_is_a_breach(country: Country) -> None:
    async def talkative(_: Any) -> web.Response:
        return web.Response(text="ok")

    country.answers[SMS] = talkative
    await country.phone("sms", {"to": "7890", "text": "07", "carrier": "kannel"})

    async def breaches() -> list[dict[str, str]]:
        async with country.client.get("/control/violations") as response:
            found: list[dict[str, str]] = await response.json()
            return found

    for _ in range(100):
        if found := await breaches():
            break
        await asyncio.sleep(0.02)
    assert [(breach["kind"], breach["detail"]) for breach in found] == [("answered", "ok")]


async def test_an_unknown_carrier_is_refused(country: Country) -> None:
    status, _ = await country.phone("sms", {"to": "7890", "text": "07", "carrier": "pigeon"})
    assert status == 400


async def test_issued_words_and_the_shared_word(tmp_path: Path) -> None:
    issued = {"username": "demo", "password": "demo", "shared_secret": "a&b"}
    async with Country(tmp_path, {"kannel": issued}) as country:
        assert (await send(country))[0] == 202
        assert (await send(country, password="other"))[0] == 403
        await country.phone("sms", {"to": "7890", "text": "07", "carrier": "kannel"})
        await country.until(lambda: queries(country, SMS))
        assert queries(country, SMS)[0]["key"] == "a&b"
