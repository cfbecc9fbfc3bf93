"""Updates: kept before they are answered, handled once, found again."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import orjson
import pytest
from aiogram.exceptions import TelegramNetworkError
from aiogram.methods import SendMessage
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from channels.telegram import routes
from channels.telegram.routes import PATH, SECRET_HEADER, NotAnUpdate
from gateway.http import middleware
from gateway.http.endpoint import BODY_BYTES_MAX
from gateway.storage.engine import DatabaseUnavailable
from tests.channels.telegram.conftest import World
from tests.channels.telegram.wire import body, tapped, written

SECRET = "webhook-secret"


@pytest.fixture
async def caller(world: World) -> AsyncIterator[TestClient[Any, Any]]:
    app = web.Application(middlewares=[middleware.around_request], client_max_size=BODY_BYTES_MAX)
    routes.setup(app, world.intake.take, SECRET)
    async with TestClient(TestServer(app)) as client:
        yield client


async def call(client: TestClient[Any, Any], content: bytes, secret: str | None = SECRET) -> int:
    headers = {"Content-Type": "application/json"} | ({SECRET_HEADER: secret} if secret is not None else {})
    async with client.post(PATH, data=content, headers=headers) as response:
        return response.status


async def test_a_good_update_is_kept_answered_and_handled(world: World, caller: TestClient[Any, Any]) -> None:
    assert await call(caller, body(written("/start"))) == 200
    await world.intake.wait_idle()
    assert "Star d" in world.text()
    (row,) = await world.rows("select chat_id, handled_at is not null as handled, body_cipher from telegram_updates")
    assert (row.chat_id, row.handled) == (55, True)
    assert b"/start" not in bytes(row.body_cipher)


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET + "x", "sécret", "\udcff\udcfe"])
async def test_who_does_not_know_the_secret_is_turned_away(
    world: World, caller: TestClient[Any, Any], secret: str | None
) -> None:
    assert await call(caller, body(written("/start")), secret) == 401
    assert await world.rows("select 1 from telegram_updates") == []


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"{}", 400),
        (b"[]", 400),
        (b"null", 400),
        (b'{"update_id": "x"}', 400),
        (b'{"update_id": 1, "message": {"text": "/start"}}', 400),
        (b"\xff\xfe{}", 400),
        (b'{"update_id": 1, "message": ' + b"[" * 5_000, 400),
        (b'{"a": "' + b"x" * BODY_BYTES_MAX + b'"}', 413),
    ],
)
async def test_what_is_no_update_is_refused_once(
    world: World, caller: TestClient[Any, Any], content: bytes, status: int
) -> None:
    assert await call(caller, content) == status
    assert await world.rows("select 1 from telegram_updates") == []


async def test_an_update_of_a_kind_that_we_do_not_know_is_kept_and_left(
    world: World, caller: TestClient[Any, Any]
) -> None:
    assert await call(caller, b'{"update_id": 3, "teleport": {"to": "mars"}}') == 200
    await world.intake.wait_idle()
    assert await world.outcomes() == ["ignored"]


async def test_a_repeated_update_is_answered_and_not_handled_again(world: World, caller: TestClient[Any, Any]) -> None:
    update = body(written("/start"))
    assert [await call(caller, update) for _ in range(3)] == [200] * 3
    await world.intake.wait_idle()
    assert len(world.wire.made(SendMessage)) == 1


async def test_what_could_not_be_kept_is_not_answered_200(
    world: World, caller: TestClient[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> bool:
        raise DatabaseUnavailable

    monkeypatch.setattr(world.store, "store", away)
    assert await call(caller, body(written("/start"))) == 503
    assert world.wire.calls == []


async def test_the_next_process_handles_what_the_last_one_kept(world: World) -> None:
    updates = [written("/start"), written("07"), written("/aide", 66)]
    for update in updates:
        await world.store.store(update["update_id"], 55, body(update))
    assert await world.intake.finish() == 0, "another process may be handling them"
    assert await world.intake.finish(older_than_seconds=0) == 3
    assert await world.outcomes() == ["done"] * 3
    assert "Awa Ouattara" in world.text(55)
    assert await world.intake.finish(older_than_seconds=0) == 0


async def test_an_order_that_was_cut_off_is_placed_once(world: World) -> None:
    await world.write("07 5")
    await world.write("0501020304")
    message, data = world.wire.button(55, "Payer 500")
    world.wire.faults.extend([TelegramNetworkError(method=SendMessage(chat_id=1, text=""), message="cut")])
    await world.intake.take(body(tapped(data, message)))
    await world.intake.wait_idle()
    assert (await world.outcomes())[-1] is None
    assert await world.intake.finish(older_than_seconds=0) == 1
    assert len(world.service.vote_requests) == 1
    assert "Commande enregistrée" in world.text()


async def test_only_one_process_looks_after_what_is_left(world: World) -> None:
    await world.store.store(1, 55, body(written("/start")))
    async with world.store.lock() as mine:
        assert mine
        assert await world.intake.finish(older_than_seconds=0) == 0
    assert await world.outcomes() == [None]


async def test_an_update_that_fails_is_tried_three_times_and_set_aside(world: World) -> None:
    for _ in range(3):
        world.wire.faults.append(TelegramNetworkError(method=SendMessage(chat_id=1, text=""), message="cut"))
    await world.send(written("/aide"))
    again = [await world.intake.finish(older_than_seconds=0) for _ in range(4)]
    assert again == [1, 1, 0, 0]
    assert world.wire.made(SendMessage) == []
    assert await world.outcomes() == ["set aside"]
    (row,) = await world.rows("select kind, error, until > now() as shown from set_aside")
    assert tuple(row) == ("update", "TriedTooOften", True)


async def test_the_pause_before_the_next_try_grows(world: World, database: Any) -> None:
    world.service.away = True
    await world.send(written("/verifier 0000000000"))
    connection = await asyncpg.connect(database.superuser_url)
    for seconds, tried in ((15, [0]), (25, [1, 0]), (115, [0]), (125, [1, 0])):
        await connection.execute(f"update telegram_updates set received_at = now() - interval '{seconds} seconds'")
        assert [await world.intake.finish() for _ in tried] == tried
    await connection.close()


async def test_what_is_too_old_is_not_answered_any_more(
    world: World, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels.telegram.intake.TOO_OLD_SECONDS", 0.0)
    await world.store.store(1, 55, body(written("/start")))
    assert await world.intake.finish(older_than_seconds=0) == 0
    assert await world.outcomes() == ["too old"]
    assert world.wire.calls == []


async def test_a_handler_that_fails_says_sorry_and_does_not_come_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.service, "ranking", lambda slug: 1 / 0)
    await world.send(written("07"))
    assert await world.outcomes() == ["failed"]
    assert "n'a pas marché" in world.text()


async def test_while_the_service_is_away_the_update_waits(world: World) -> None:
    world.service.away = True
    await world.send(written("/verifier 0000000000"))
    assert await world.outcomes() == [None]
    world.service.away = False
    assert await world.intake.finish(older_than_seconds=0) == 1
    assert await world.outcomes() == ["done"]


async def test_a_pin_is_not_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def killed(_: object) -> None:
        """In place of handling."""

    update = written("07 5 0000")
    update["message"]["reply_to_message"] = {**update["message"], "message_id": 2, "text": "mon pin est 4821"}
    with monkeypatch.context() as patched:
        patched.setattr(world.intake, "_handle", killed)
        await world.send(update)
    (kept,) = await world.store.unfinished(0, 10)
    message = orjson.loads(kept.body)["message"]
    assert (message["text"], message["reply_to_message"]["text"]) == ("07 5 ****", "mon pin est ****")
    assert await world.intake.finish(older_than_seconds=0) == 1
    assert any("jamais votre code secret" in text for text in world.wire.texts(55))
    assert "5 votes" in world.text()
    assert world.service.vote_requests == []


async def test_bodies_are_sealed_to_their_place(world: World) -> None:
    content = body(written("0501020304"))
    await world.store.store(1, 55, content)
    (kept,) = await world.store.unfinished(0, 10)
    assert orjson.loads(kept.body) == orjson.loads(content)
    with pytest.raises(NotAnUpdate):
        await world.intake.take(b"nothing")
