"""The cookie that tells one device from another: ours alone, and nothing in it but a random word."""

import re
from http.cookies import SimpleCookie

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gateway.http.callers import COOKIE, Devices

# Fixed: a test that is named by chance is another one in each process.
ONE, ANOTHER = "hrvH63NLz_ychhy2iYMXeQ", "ETWZU8E1qjFyI2Pc-P_yKQ"
OURS, OTHERS = Devices(b"k" * 32), Devices(b"o" * 32)


def request_with(cookie: str) -> web.Request:
    return make_mocked_request("POST", "/c/star/07", headers={"Cookie": cookie}, app=web.Application())


def cookie_of(devices: Devices, device: str) -> str:
    response = web.Response()
    devices.keep(request_with(""), response, device)
    return response.cookies[COOKIE].value


def test_a_browser_gives_its_word_back() -> None:
    device = OURS.fresh()
    value = cookie_of(OURS, device)
    assert OURS.read(request_with(f"{COOKIE}={value}")) == device
    assert re.fullmatch(r"[\w-]{22}\.[\w-]{22}", value)
    assert len({OURS.fresh() for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "spoiled",
    [
        "",
        "x",
        "." * 45,
        "é" * 22 + "." + "é" * 22,
        cookie_of(OTHERS, ONE),
        ONE,
        f"{ONE}.{cookie_of(OURS, ANOTHER).partition('.')[2]}",
        cookie_of(OURS, ONE)[:-1],
        cookie_of(OURS, ONE) + "A",
    ],
)
def test_any_other_word_is_none(spoiled: str) -> None:
    assert OURS.read(request_with(f"{COOKIE}={spoiled}")) is None


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_script_and_no_other_site_sees_it(scheme: str) -> None:
    response = web.Response()
    OURS.keep(request_with("").clone(scheme=scheme), response, OURS.fresh())
    written = SimpleCookie(response.cookies.output(header=""))[COOKIE]
    assert (written["httponly"], written["samesite"], written["path"]) == (True, "Lax", "/")
    assert bool(written["secure"]) is (scheme == "https")
