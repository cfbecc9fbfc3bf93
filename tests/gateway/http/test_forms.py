"""Forms with files as programs send them: what cannot be read is said to be so."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.http.forms import read_files, read_upload
from gateway.http.middleware import around_request

FINE = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'
KIND = "multipart/form-data; boundary=x"
UNREADABLE = {
    "no part": b"nothing",
    "a header's name": b"--x\r\nA\x0bB: 1\r\n\r\n1\r\n--x--\r\n",
    "a header's value": b"--x\r\nA: \x00\r\n\r\n1\r\n--x--\r\n",
    "a header without end": b"--x\r\nA: " + b"b" * 70_000,
    "no header": b"--x\r\nnothing\r\n\r\n1\r\n--x--\r\n",
    "a form in a form": b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y--\r\n--x--\r\n",
    "cut off": b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1',
}


async def upload(request: web.Request) -> web.Response:
    fields, name, data = await read_upload(request)
    return web.json_response([fields, name, data.decode()])


async def several(request: web.Request) -> web.Response:
    fields, files = await read_files(request, 10)
    return web.json_response([fields, [(name, data.decode()) async for name, data in files]])


@pytest.mark.parametrize("address", ["/upload", "/several"])
async def test_what_is_no_form_is_refused(address: str) -> None:
    app = web.Application(middlewares=[around_request])
    app.router.add_post("/upload", upload)
    app.router.add_post("/several", several)
    async with TestClient(TestServer(app)) as client:

        async def status(body: bytes, kind: str = KIND) -> int:
            sent = {"Content-Type": kind, "Accept": "application/json"}
            async with client.post(address, data=body, headers=sent) as answer:
                return answer.status

        assert {what: await status(body) for what, body in UNREADABLE.items()} == dict.fromkeys(UNREADABLE, 400)
        assert await status(FINE, "multipart/form-data") == 400
        assert await status(FINE, "text/plain") == 415
        assert await status(FINE) == 200
