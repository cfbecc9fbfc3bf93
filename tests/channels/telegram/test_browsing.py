"""Contests, candidates, languages, receipts, groups, and chats that are closed."""

from dataclasses import replace

from aiogram.exceptions import TelegramBadRequest, TelegramForbiddenError
from aiogram.methods import (
    EditMessageText,
    SendMessage,
    SendPhoto,
)

from channels.telegram import buttons
from channels.telegram.buttons import tag
from channels.telegram.linking import code_hash
from gateway.contests.contest import Contest, Picture
from tests.channels.telegram.conftest import OTHER_CONTEST_ID, PUBLIC, World
from tests.channels.telegram.wire import shared, tapped, written
from tests.demo import demo_contest
from tests.rigs.voting_service import RECEIPT

CONTEST = demo_contest()


async def test_a_group_sees_the_ranking_and_nothing_else(world: World) -> None:
    group = -1001
    assert "🏆" in await world.write("/classement@spotlight_bot", chat_id=group)
    message, data = world.wire.button(group, "Actualiser")
    assert [b.text for row in message.reply_markup.inline_keyboard for b in row] == ["Actualiser"]  # type: ignore[union-attr] # it has a button
    world.service.scores["07"] = 9
    update = tapped(data, message)
    update["callback_query"]["message"]["chat"]["type"] = "group"
    await world.send(update)
    assert "<b>9</b>" in world.text(group)
    assert "privé" in await world.write("/start", chat_id=group)
    before = len(world.wire.calls)
    for words in ("07 5", "/mesvotes", "bonjour"):
        await world.send(written(words, chat_id=group))
    await world.send(shared("2250501020304", 55) | {})
    contact = shared("2250501020304", 55)
    contact["message"]["chat"] = {"id": group, "type": "group", "title": "G"}
    await world.send(contact)
    assert [call for call in world.wire.calls[before:] if getattr(call, "chat_id", None) == group] == []
    buy = buttons.ChooseCount(contest=tag(CONTEST), code="07", count=5).pack()
    update = tapped(buy, message)
    update["callback_query"]["message"]["chat"]["type"] = "group"
    await world.send(update)
    assert world.service.vote_requests == []


async def test_the_language_is_the_apps_until_one_is_chosen(world: World) -> None:
    assert "Choose a candidate" in await world.write("/start", language="en-GB")
    assert "Langue" in await world.write("/langue", language="en-GB")
    message, data = world.wire.button(55, "Français")
    await world.tap_data(data, message)
    assert "Choisissez" in world.text()
    assert "Choisissez" in await world.write("/start", language="en-GB")


async def test_a_photo_is_fetched_once_and_then_named(world: World) -> None:
    photo = "https://photos.example/07.jpg"
    with_photo = tuple(replace(c, photo_url=photo if c.code == "07" else None) for c in CONTEST.candidates)
    world.service.shown = [_with(CONTEST, with_photo)]
    await world.write("07")
    await world.write("07")
    assert [call.photo for call in world.wire.made(SendPhoto)] == [photo, "kept-photo"]
    # A photo's message cannot become text: the next step is a message of its own.
    await world.tap("5 votes")
    assert world.wire.made(EditMessageText) == []


async def test_an_uploaded_photo_is_fetched_from_us(world: World) -> None:
    photo = Picture("/media/0a/awa", (96, 320, 960), b"blurred")
    uploaded = tuple(replace(c, photo=photo, photo_url="https://photos.example/x") for c in CONTEST.candidates)
    world.service.shown = [_with(CONTEST, uploaded)]
    await world.write("07")
    assert [call.photo for call in world.wire.made(SendPhoto)] == [f"{PUBLIC}/media/0a/awa-960.webp"]


async def test_a_photo_that_telegram_cannot_fetch_is_left_out(world: World) -> None:
    with_photo = tuple(replace(c, photo_url="https://photos.example/x") for c in CONTEST.candidates)
    world.service.shown = [_with(CONTEST, with_photo)]
    await world.write("/start")
    world.wire.faults.append(TelegramBadRequest(method=SendPhoto(chat_id=1, photo="x"), message="wrong file"))
    assert "Awa Ouattara" in await world.write("07")
    assert world.wire.made(SendPhoto) == []


def _with(contest: Contest, candidates: tuple[object, ...]) -> Contest:
    return replace(contest, candidates=candidates, _by_code={})  # type: ignore[arg-type] # candidates


async def test_names_receipts_rules_and_help(world: World) -> None:
    assert "Awa Ouattara" in await world.write("awa")
    assert "Quel candidat" in await world.write("kon")
    assert "Aucun candidat ne s'appelle" in await world.write("<b>zorro</b>")
    assert "&lt;b&gt;zorro" in world.text()
    assert "inconnu" in await world.write("99")
    assert "inconnu" in await world.write("99 5")
    assert RECEIPT in await world.write(f"/verifier {RECEIPT.lower()}")
    assert "caractère est faux" in await world.write("/verifier 0000000001")
    assert "suivi du code" in await world.write("/verifier")
    assert "règlement" in await world.write("/regles")
    assert "/mesvotes" in await world.write("/aide")
    assert "Aucun vote" in await world.write("/mesvotes")
    picture = written("")
    del picture["message"]["text"]
    picture["message"]["sticker"] = {
        "file_id": "s", "file_unique_id": "u", "type": "regular", "width": 1, "height": 1,
        "is_animated": False, "is_video": False,
    }  # fmt: skip
    await world.send(picture)
    assert "Écrivez le code" in world.text()


async def test_walking_through_the_buttons(world: World) -> None:
    await world.write("/start")
    assert "page 1 sur 2" in await world.tap("Candidats")
    assert "page 2 sur 2" in await world.tap("›")
    assert "Franck Zadi" in await world.tap("12 Franck")
    assert "🏆" in await world.tap("Classement")
    assert "page 1" in await world.tap("Voter")
    assert "1 vote = 100 FCFA" in await world.tap("Retour")
    assert "règlement" in await world.tap("Règlement")
    await world.tap("Retour")
    assert "Aucun vote" in await world.tap("Mes votes")


async def test_several_contests_are_chosen_from(world: World) -> None:
    other = replace(CONTEST, id=OTHER_CONTEST_ID, slug="miss", name="Miss", _by_code={})
    world.service.shown = [CONTEST, other]
    assert "Quel vote" in await world.write("/start")
    # What was written or linked goes on with whichever contest is meant.
    assert "Quel vote" in await world.write("07 5")
    assert "Quel numéro paie" in await world.tap("Miss")
    assert "Quel vote" in await world.write("/start c_07")
    assert "<b>07" in await world.tap("Miss")
    # From now on this chat is about that one.
    assert "Miss" in await world.write("07")
    assert "Star d" in await world.write("/start c_07_star")


async def test_blocked_and_let_in_again(world: World) -> None:
    await world.write("/start")
    user = {"id": 55, "is_bot": False, "first_name": "Awa"}
    bot = {"id": 123456, "is_bot": True, "first_name": "Spotlight"}
    change = {"chat": {"id": 55, "type": "private"}, "from": user, "date": 1}
    member = {"status": "member", "user": bot}
    kicked = {"status": "kicked", "user": bot, "until_date": 0}
    for update_id, old, new, reachable in ((1, member, kicked, False), (2, kicked, member, True)):
        status = change | {"old_chat_member": old, "new_chat_member": new}
        await world.send({"update_id": update_id, "my_chat_member": status})
        (row,) = await world.rows("select reachable from telegram_chats")
        assert row.reachable is reachable


async def test_who_blocked_us_in_the_middle_is_marked(world: World) -> None:
    await world.write("/start")
    world.wire.faults.append(TelegramForbiddenError(method=SendMessage(chat_id=1, text=""), message="blocked"))
    await world.send(written("/aide"))
    (row,) = await world.rows("select reachable from telegram_chats")
    assert row.reachable is False
    assert (await world.outcomes())[-1] == "unreachable"


async def test_a_code_of_the_back_office_links_a_chat_or_a_group_to_alerts_once(world: World) -> None:
    codes = ("abcdefgh2345", "jkmnpqrs6789", "tuvwxyza2345")
    for number, code in enumerate(codes):
        await world.run(
            "insert into alert_destinations (id, organiser_id, channel, language, made_by, kinds, gap_seconds,"
            " code_hash, code_until) select gen_random_uuid(), id, 'telegram', 'fr', 'awa', '{held}', 0,"
            f" '\\x{code_hash(code).hex()}', now() + interval '{1 - number} hour' from organisers where slug = 'demo'"
        )
    for words, chat_id, reply in (
        (f"/start alerts_{codes[0]}", None, "arrivent ici"),
        (f"/start alerts_{codes[0]}", None, "n'est plus valable"),
        ("/alertes", None, "n'est pas valable"),
        (f"/alerts {codes[1]}", -77, "n'est plus valable"),  # it is over
        (f"/alerts {codes[2]}", -77, "n'est plus valable"),
    ):
        assert reply in await world.write(words, chat_id=chat_id), words
    await world.run("update alert_destinations set code_until = now() + interval '1 hour' where code_hash is not null")
    assert "arrivent ici" in await world.write(f"/alertes {codes[1]}", chat_id=-77)
    linked = await world.rows("select chat_id from alert_destinations where chat_id is not null order by 1")
    assert [row.chat_id for row in linked] == [-77, 55]
