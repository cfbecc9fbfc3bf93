"""Texts from their arrival to the answer that is owed, on a real PostgreSQL: questions, limits, stops."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from channels.messages.carrier import IncomingText
from channels.sms import inbound
from channels.sms.inbound import REPLIES_PER_HOUR, answer_texts
from channels.sms.texts import render
from gateway.runtime.connections import utc_now
from gateway.runtime.voting_service import LiveVotingService
from leaderboard.scores import Rankings, Scores
from tests.rigs.live_service import live_service
from tests.rigs.rig import Rig
from tests.rigs.scripted_provider import paid

AWA = "+2250501020304"
OTHER = "+2250501020305"


@dataclass
class Desk:
    """Takes texts in and answers them, as the worker does."""

    rig: Rig
    rankings: Rankings
    service: LiveVotingService
    count: int = 0

    async def arrive(self, words: str, *, sender: str = AWA, to: str = "7890") -> str:
        """A text is stored, not answered; its id."""
        self.count += 1
        carrier_id = f"m{self.count}"
        assert await self.rig.inbox.store(
            IncomingText("africastalking", carrier_id, sender, to, words, None),
        )
        return carrier_id

    async def text(self, words: str, *, sender: str = AWA, to: str = "7890") -> str:
        """What goes back to a text; empty when nothing does."""
        carrier_id = await self.arrive(words, sender=sender, to=to)
        await self.answer()
        params = await self.rig.one(
            "select (select params from messages_out where kind = 'reply' and key = :key)",
            key=f"africastalking:{carrier_id}",
        )
        return render("reply", "fr", params) if params else ""

    async def answer(self) -> None:
        look = partial(self.rankings.refresh, Scores(self.rig.engine))
        await answer_texts(self.rig.inbox, self.service, look)

    async def outcomes(self) -> list[str]:
        return [row.outcome for row in await self.rig.rows("select outcome from messages_in order by received_at")]

    async def orders(self) -> list[tuple[str, int]]:
        statement = (
            "select k.code, v.quantity from votes v join candidates k on k.id = v.candidate_id order by v.placed_at"
        )
        return [(row.code, row.quantity) for row in await self.rig.rows(statement)]


@pytest.fixture
async def desk(database: Any) -> AsyncIterator[Desk]:
    rig = await Rig(database.app_url).open()
    rankings = Rankings(rig.directory, utc_now)
    service = live_service(rig, rankings)
    yield Desk(rig, rankings, service)
    await rig.close()


async def ago(database: Any, minutes: int) -> None:
    """Everything that was texted until now happened so much earlier."""
    connection = await asyncpg.connect(database.superuser_url)
    try:
        await connection.execute(f"update messages_in set received_at = received_at - interval '{minutes} minutes'")
    finally:
        await connection.close()


async def test_a_name_is_asked_about_and_yes_is_one_order(desk: Desk) -> None:
    assert "5 votes pour 01 Awa Koné = 500 FCFA" in await desk.text("VOTE awa 5")
    assert await desk.orders() == []
    assert await desk.text("OUI") == ""
    assert await desk.orders() == [("01", 5)]
    # Sent once more, by a caller that repeats it: the question is answered.
    assert await desk.text("OUI") == ""
    assert "Aucune question" in await desk.text("oui merci")
    assert await desk.orders() == [("01", 5)]


async def test_noise_and_repeats_leave_the_question_open(desk: Desk) -> None:
    await desk.text("VOTE awa 5")
    assert await desk.text("vote AWA 5") == ""
    assert await desk.text("merci") == ""
    await desk.text("1")
    assert await desk.orders() == [("01", 5)]
    assert await desk.outcomes() == ["asked: an offer", "repeated", "noise", "order"]


@pytest.mark.parametrize("between", ["NON", "AIDE", "STOP", "VOTE 03 1", "VOTE 99", "VOTE Awa 0501020304"])
async def test_any_other_text_closes_the_question(desk: Desk, between: str) -> None:
    await desk.text("VOTE fatou 5")
    await desk.text(between)
    await desk.text("OUI")
    assert ("07", 5) not in await desk.orders()


async def test_a_reply_with_another_number_is_asked_about_until_it_is_clear(desk: Desk) -> None:
    await desk.text("5x07")
    for words in ("OUI 10", "10", "ok 11"):
        text = await desk.text(words)
        assert "OUI: 5 votes pour 07 Fatou" in text
        assert f"VOTE {words[-2:]} 1" in text
    assert await desk.text("10") == ""
    assert await desk.orders() == []
    await desk.text("OUI")
    assert await desk.orders() == [("07", 5)]
    assert await desk.rig.one("select count(*) from order_keys where key = 'africastalking:m1'") == 1


async def test_a_number_answers_how_many(desk: Desk) -> None:
    assert "Combien de votes pour 07" in await desk.text("VOTE 07 beaucoup")
    assert "OUI: 10 votes pour 07" in await desk.text("10")
    await desk.text("OUI")
    assert await desk.orders() == [("07", 10)]


async def test_a_language_that_was_chosen_by_ussd_stays(desk: Desk) -> None:
    async with desk.rig.engine.begin() as connection:
        chosen = text("insert into chosen_languages (phone_index, language) values (:index, 'en')")
        await connection.execute(chosen, {"index": desk.rig.vault.index(AWA)})
    for words, expected in (
        ("VOTE awa 5", "Reply YES to pay"),
        ("VOTE 99", "Unknown"),
        ("07 2", ""),
        ("07 0", "How many"),
    ):
        assert expected in await desk.text(words)
    assert "Répondez OUI" in await desk.text("VOTE awa 5", sender=OTHER)
    assert await desk.rig.one("select count(*) from votes where language = 'en'") == 1


async def test_a_text_that_is_not_judged_yet_closes_the_question(desk: Desk) -> None:
    await desk.text("VOTE fatou 5")
    first = await desk.arrive("NON")
    second = await desk.arrive("OUI")
    # The later one is judged first, as by another worker.
    incoming = {held.text.carrier_id: held for held in await desk.rig.inbox.due(10)}
    talk = await desk.service.talk(incoming[second].text)
    assert (talk.question, first in incoming) == (None, True)


async def test_a_question_is_open_for_ten_minutes(desk: Desk, database: Any) -> None:
    await desk.text("VOTE awa 5")
    await ago(database, 9)
    await desk.text("VOTE fatou 2")
    await ago(database, 11)
    assert "Aucune question en attente" in await desk.text("OUI")
    assert await desk.orders() == []


async def test_a_question_belongs_to_its_number_and_short_code(desk: Desk) -> None:
    await desk.text("VOTE awa 5")
    assert "Aucune question" in await desk.text("OUI", sender=OTHER)
    await desk.text("OUI", to="7891")
    assert await desk.orders() == []


async def test_a_yes_judged_twice_is_one_order(desk: Desk) -> None:
    await desk.text("VOTE awa 5")
    await desk.text("OUI")
    async with desk.rig.engine.begin() as connection:
        # As if the worker had been killed before it could note the answer.
        await connection.execute(text("update messages_in set handled_at = null, outcome = null where text = 'OUI'"))
    await desk.answer()
    assert await desk.outcomes() == ["asked: an offer", "order"]
    assert await desk.orders() == [("01", 5)]


async def test_two_questions_within_minutes_are_not_answered_by_one_repeated_yes(desk: Desk) -> None:
    await desk.text("VOTE awa 5")
    await desk.text("OUI")
    await desk.text("VOTE fatou 2")
    assert "VOTE 07 2 (200 FCFA)" in await desk.text("oui")
    assert await desk.orders() == [("01", 5)]
    await desk.text("YES")
    assert await desk.orders() == [("01", 5)]
    await desk.text("VOTE 07 2")
    assert await desk.orders() == [("01", 5), ("07", 2)]


async def test_the_hour_has_so_many_replies(desk: Desk, database: Any) -> None:
    for turn in range(REPLIES_PER_HOUR):
        assert await desk.text(f"VOTE 99 {turn + 1}")
    assert await desk.text("AIDE") == ""
    assert await desk.text("VOTE awa 5") == ""
    assert await desk.text("OUI") == ""
    assert await desk.orders() == []
    assert await desk.text("AIDE", sender=OTHER)
    await desk.text("VOTE 07 5")
    assert await desk.orders() == [("07", 5)]
    await ago(database, 61)
    assert await desk.text("HELP")


async def test_a_stop_is_confirmed_once_and_a_start_brings_it_back(desk: Desk) -> None:
    assert "sauf la confirmation" in await desk.text("STOP")
    assert await desk.text("Stop svp") == ""
    assert "nouveau" in await desk.text("START")
    assert "sauf la confirmation" in await desk.text("STOP VOTE")
    assert await desk.rig.one("select count(*) from text_opt_outs") == 1


async def test_equal_texts_under_two_ids_are_one_order(desk: Desk, database: Any) -> None:
    for words in ("VOTE 07 5", "vote  07 5", "VOTE 07 5"):
        await desk.text(words)
    assert await desk.orders() == [("07", 5)]
    await ago(database, 4)
    await desk.text("VOTE 07 5")
    assert await desk.orders() == [("07", 5), ("07", 5)]


async def test_a_text_that_we_stumble_over_holds_up_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = inbound.answer

    async def stumble(incoming: IncomingText, *rest: Any, **more: Any) -> Any:
        found = await answer(incoming, *rest, **more)
        return replace(found, lines=("a line with \x00",)) if incoming.text == "AIDE" else found

    monkeypatch.setattr(inbound, "answer", stumble)
    await desk.arrive("AIDE")
    assert "01 Awa" in await desk.text("CLASSEMENT", sender=OTHER)
    assert (await desk.outcomes())[0] == "failed"
    assert await desk.rig.inbox.due(10) == []


async def test_the_ranking_is_that_of_now(desk: Desk) -> None:
    """A worker answers, which no gateway tells what it shows."""
    assert "06 Yao Kouadio 3" not in await desk.text("TOP")
    order = await desk.rig.placed(code="06", quantity=3)
    await desk.rig.collect()
    desk.rig.provider.query_script = [paid(order.amount.amount_minor)]
    await desk.rig.make_due()
    await desk.rig.verify()
    await desk.rig.settle_all()
    assert (await desk.text("TOP")).splitlines()[0] == "1. 06 Yao Kouadio 3"
