"""No route of the country answers 5xx to a forged or broken request."""

import io
import itertools
from pathlib import Path

from tests.sandbox.country import Country

TOKEN = "/orange_money/payment/pay_token/0"
PATHS = (
    "/",
    "/control",
    "/control/violations",
    "/statement/mtn_momo.csv",
    "/statement/%00.csv",
    "/requests/mtn_momo?direction=%ff",
    "/phones",
    "/phones/",
    "/phones/%F0%9F%94%A5/dial",
    "/phones/0501020304/dial",
    "/phones/0501020304/prompt",
    "/phones/0501020304/orange_pay",
    "/handset/..%2f..%2fnumbers.py",
    "/mtn_momo",
    "/mtn_momo/collection/token/",
    "/mtn_momo/collection/v1_0/requesttopay",
    "/mtn_momo/collection/v1_0/requesttopay/x",
    "/mtn_momo/collection/v1_0/account/balance/%00",
    "/mtn_momo/collection/v1_0/accountholder/msisdn/%00/active",
    "/orange_money/oauth/v3/token",
    "/orange_money/orange-money-webpay/ci/v1/webpayment",
    "/orange_money/orange-money-webpay/%00/v1/transactionstatus",
    TOKEN,
    "/africastalking/version1/messaging",
    "/cloudinary/v1_1/c/video/upload",
    "/cloudinary/v1_1/c/video/destroy",
    "/cloudinary/v1_1/c/resources/video/upload/%00",
    "/cloudinary/c/video/upload/v1/%00.mp4",
    "/telegram/bot1:x/sendMessage",
    "/telegram/bot1:x/setWebhook",
    "/telegram/bot%00/getMe",
    "/telegram/people/1/send",
    "/telegram/people/%F0%9F%94%A5/tap",
    "/telegram/people/1?newer_than=%ff",
)
HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"Authorization": "Basic ===", "Content-Type": "application/json"},
    {"Authorization": "Basic /////w==", "Content-Type": "application/x-www-form-urlencoded; charset=klingon"},
    {"Authorization": "Bearer \u00e9", "Content-Type": "multipart/form-data; boundary=x", "apiKey": "k"},
    {"Content-Type": "multipart/form-data", "apiKey": "\u00e9", "Ocp-Apim-Subscription-Key": "k"},
    {"Content-Encoding": "gzip", "Content-Type": "application/json", "Ocp-Apim-Subscription-Key": "k"},
)
BODIES = (b"", b"\xff\x00\xfe", b"{", b"[1e999]", b'{"a":' * 2000, b"--x\r\nContent-Disposition: x\r\n\r\n", b"a=%ff&b")


async def test_no_route_falls_over(tmp_path: Path) -> None:
    async with Country(tmp_path) as country:
        for method, path, headers, body in itertools.product(("GET", "POST", "PUT"), PATHS, HEADERS, BODIES):
            async with country.client.request(method, path, headers=headers, data=body) as response:
                assert response.status < 500, (method, path, headers, body, await response.text())


async def test_a_body_that_is_too_long(tmp_path: Path) -> None:
    async with Country(tmp_path) as country:
        for path in ("/control", "/mtn_momo/collection/v1_0/requesttopay", "/africastalking/version1/messaging"):
            async with country.client.post(path, data=io.BytesIO(b"x" * (12 * 1024 * 1024))) as response:
                assert 400 <= response.status < 500
