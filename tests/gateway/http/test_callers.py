"""What callers say of themselves in their heads, which may hold any bytes."""

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from admin.access.guard import safe_next
from gateway.http.callers import PUBLIC_URL, comes_from_us, storable


@pytest.mark.parametrize(
    ("origin", "ours"),
    [
        ("https://vote.test", True),
        ("http://here:8080", True),
        ("https://vote.test.evil", False),
        ("https://evil/vote.test", False),
        ("null", False),
        ("", False),
        ("http://[", False),
        ("http://\udcff", False),
    ],
)
def test_whose_page_sent_it(origin: str, ours: bool) -> None:
    app = web.Application()
    app[PUBLIC_URL] = "https://vote.test"
    assert comes_from_us(make_mocked_request("POST", "/", headers={"Host": "here:8080"}, app=app), origin) is ours


def test_bytes_that_are_no_text_can_be_kept() -> None:
    assert storable("Mozilla é") == "Mozilla é"
    assert storable(b"a\xff\xfe".decode("utf-8", "surrogateescape")).encode() == rb"a\udcff\udcfe"


@pytest.mark.parametrize(
    "address", [None, "", "//[", "//evil", "https://evil/admin", "/adminx", "/admin\\x", "/admin\udcff"]
)
def test_nobody_is_sent_elsewhere(address: str | None) -> None:
    assert safe_next(address) == "/admin"
    assert safe_next("/admin/requests?all=1") == "/admin/requests?all=1"
