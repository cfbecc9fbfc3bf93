"""Ranking messages that keep themselves up to date, within limits."""

import pytest
from aiogram.exceptions import TelegramBadRequest, TelegramForbiddenError, TelegramServerError
from aiogram.methods import EditMessageText

from tests.channels.telegram.conftest import World

EDIT = EditMessageText(text="")


async def later(world: World, seconds: int = 11) -> None:
    await world.run(
        f"update telegram_chats set board_edited_at = board_edited_at - interval '{seconds} seconds',"
        f" board_until = board_until - interval '{seconds} seconds'"
    )


def edits(world: World) -> int:
    return len(world.wire.made(EditMessageText))


async def test_a_board_is_edited_when_its_text_changed_and_not_too_often(world: World) -> None:
    await world.write("/classement")
    await later(world)
    await world.rankings.update()
    assert edits(world) == 0, "nothing changed"
    world.service.scores["07"] = 3
    await world.rankings.update()
    assert edits(world) == 1
    assert "Awa Ouattara : <b>3</b>" in world.text()
    world.service.scores["07"] = 4
    await world.rankings.update()
    assert edits(world) == 1, "edited a moment ago"
    await later(world)
    await world.rankings.update()
    assert "<b>4</b>" in world.text()


async def test_a_ranking_without_viewers_shows_that_it_stopped(world: World) -> None:
    await world.write("/classement")
    await later(world, 601)
    world.service.scores["07"] = 3
    await world.rankings.update()
    assert "ne bouge plus" in world.text()
    world.service.scores["07"] = 4
    await later(world)
    await world.rankings.update()
    assert edits(world) == 1
    await world.tap("Actualiser")
    assert "tout seul" in world.text()
    world.service.scores["07"] = 5
    await later(world)
    await world.rankings.update()
    assert "<b>5</b>" in world.text()


async def test_one_board_a_chat(world: World) -> None:
    await world.write("/classement")
    first = world.wire.last(55)
    await world.write("/classement")
    assert "ne bouge plus" in (world.wire.messages[55, first.message_id].text or "")
    world.service.scores["07"] = 3
    await later(world)
    before = edits(world)
    await world.rankings.update()
    assert edits(world) == before + 1
    assert "<b>3</b>" in world.text()


@pytest.mark.parametrize("language", ["fr", "en"])
async def test_each_chat_reads_its_own_language(world: World, language: str) -> None:
    await world.write("/classement", language=language)
    world.service.scores["07"] = 3
    await later(world)
    await world.rankings.update()
    assert ("tout seul" in world.text()) is (language == "fr")


async def test_an_edit_that_failed_is_made_up_for(world: World) -> None:
    await world.write("/classement")
    world.service.scores["07"] = 3
    await later(world)
    world.wire.faults.append(TelegramServerError(method=EDIT, message="Bad Gateway"))
    await world.rankings.update()
    assert "<b>3</b>" not in world.text()
    await later(world)
    await world.rankings.update()
    assert "<b>3</b>" in world.text()


async def test_not_modified_is_done_and_blocked_is_the_end(world: World) -> None:
    await world.write("/classement")
    for score, fault in (
        (3, TelegramBadRequest(method=EDIT, message="Bad Request: message is not modified: …")),
        (4, TelegramForbiddenError(method=EDIT, message="blocked")),
    ):
        world.service.scores["07"] = score
        await later(world)
        world.wire.faults.append(fault)
        await world.rankings.update()
    (row,) = await world.rows("select reachable, board_message_id from telegram_chats")
    assert tuple(row) == (False, None)
    world.service.scores["07"] = 5
    await later(world)
    await world.rankings.update()
    assert edits(world) == 0
