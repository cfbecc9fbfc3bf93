"""Dialogues that were cut off: kept in the background, texted once, never to a voter who bought or sent STOP."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from channels.messages.unfinished import Reached, UnfinishedDialogues
from channels.sms.texts import render
from gateway.contests.directory import DIAL_CODE
from gateway.runtime.owed_work import OwedWork
from gateway.storage.doorbell import Work
from gateway.values.msisdn import Msisdn
from tests.engines import Database
from tests.rigs.rig import Rig

VOTER = Msisdn("+2250501020304", "CI")


@pytest.fixture
async def rig(database: Database) -> AsyncIterator[Rig]:
    rig = await Rig(database.app_url).open()
    yield rig
    await rig.close()


@pytest.fixture
async def unfinished(rig: Rig) -> AsyncIterator[UnfinishedDialogues]:
    store = UnfinishedDialogues(rig.engine, rig.vault, write_after=0.01)
    yield store
    await store.aclose()


def reached(rig: Rig, code: str = "07", quantity: int | None = 5, voter: Msisdn = VOTER) -> Reached:
    return Reached(voter, rig.contest.id, code, quantity, "fr")


async def kept(rig: Rig) -> list[Any]:
    return await rig.rows("select * from unfinished_dialogues order by reached_at")


async def let_pass(rig: Rig, minutes: int) -> None:
    """As if so much time had gone by, at noon of a day: the hour of the test must not matter."""
    async with rig.engine.begin() as connection:
        await connection.execute(
            text("update unfinished_dialogues set reached_at = reached_at - make_interval(mins => :m)"), {"m": minutes}
        )


async def test_a_note_is_written_in_the_background_with_the_number_sealed(
    rig: Rig, unfinished: UnfinishedDialogues
) -> None:
    unfinished.note(reached(rig, quantity=None))
    unfinished.note(reached(rig))
    await unfinished.write()
    (row,) = await kept(rig)
    assert (row.candidate_code, row.quantity, row.language, row.handled_at) == ("07", 5, "fr", None)
    assert VOTER.digits.encode() not in bytes(row.phone_cipher)


async def test_who_buys_meanwhile_is_never_written(rig: Rig, unfinished: UnfinishedDialogues) -> None:
    unfinished.note(reached(rig))
    unfinished.forget(VOTER, rig.contest.id)
    await unfinished.write()
    assert await kept(rig) == []


async def test_what_waits_is_written_when_the_process_ends(rig: Rig) -> None:
    store = UnfinishedDialogues(rig.engine, rig.vault, write_after=600)
    store.note(reached(rig))
    await store.aclose()
    assert len(await kept(rig)) == 1


async def test_a_database_that_is_away_keeps_the_notes_for_later(rig: Rig) -> None:
    away = UnfinishedDialogues(_Away(), rig.vault, write_after=600)  # type: ignore[arg-type] # it only fails
    away.note(reached(rig))
    await away.write()
    away._engine = rig.engine
    await away.aclose()
    assert len(await kept(rig)) == 1


class _Away:
    def begin(self) -> Any:
        raise OSError("away")


async def reminders(rig: Rig) -> list[Any]:
    return await rig.rows("select * from messages_out where kind = 'resume'")


async def test_after_ten_minutes_one_text_is_owed_and_only_one(
    rig: Rig, unfinished: UnfinishedDialogues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels.messages.rules.quiet_until", lambda *_: None)
    unfinished.note(reached(rig))
    await unfinished.write()
    owed = OwedWork(rig.engine)
    assert await unfinished.remind() == 0
    assert Work.REMINDERS not in await owed.owed()
    await let_pass(rig, 11)
    assert (await owed.owed())[Work.REMINDERS] >= 60
    assert await unfinished.remind() == 1
    assert await unfinished.remind() == 0
    (message,) = await reminders(rig)
    assert message.recipient_index == rig.vault.index(VOTER.e164)
    words = render("resume", message.language, message.params)
    candidate = rig.contest.candidate("07")
    assert candidate is not None
    assert words == f"Vous aviez choisi 07 {candidate.name}. Pour 5 votes (500 FCFA): *789*07*5*1# STOP: 7890"
    # Cut off again an hour later: no second text within a day.
    unfinished.note(reached(rig, "08"))
    await unfinished.write()
    await let_pass(rig, 11)
    assert await unfinished.remind() == 0
    assert len(await reminders(rig)) == 1


@pytest.mark.parametrize("how", ["ordered", "paid for", "stop", "too late", "withdrawn", "closed", "night"])
async def test_who_is_not_texted(
    rig: Rig, unfinished: UnfinishedDialogues, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    now = await rig.now()
    monkeypatch.setattr(
        "channels.messages.rules.quiet_until", lambda *_: now.replace(year=2999) if how == "night" else None
    )
    unfinished.note(reached(rig))
    await unfinished.write()
    await let_pass(rig, 90 if how == "too late" else 11)
    async with rig.engine.begin() as connection:
        if how == "stop":
            await connection.execute(
                text("insert into text_opt_outs (phone_index) values (:i)"), {"i": rig.vault.index(VOTER.e164)}
            )
        if how == "withdrawn":
            await connection.execute(text("update candidates set status = 'withdrawn' where code = '07'"))
        if how == "closed":
            await connection.execute(text("update contests set closes_at = now()"))
    if how in ("ordered", "paid for"):
        await rig.placed(number=VOTER.e164, typed=how == "paid for")
    assert await unfinished.remind() == 1
    assert await reminders(rig) == []
    (row,) = await kept(rig)
    assert row.handled_at is not None


async def test_what_is_dialled_is_the_same_in_sql_and_in_the_rules(rig: Rig) -> None:
    columns = "organiser_id, country, currency, price_minor, short_code, language"
    insert = text(
        f"insert into contests (id, slug, name, keyword, service_code, opens_at, closes_at, {columns})"
        f" select :id, :slug, :slug, :slug, '*789#', opens_at + make_interval(days => :days), closes_at, {columns}"
        " from contests where slug = 'star'"
    )
    async with rig.engine.begin() as connection:
        for number in range(11):
            slug = f"Slug-{number}" if number % 2 else f"slug{number}"
            await connection.execute(insert, {"id": uuid4(), "slug": slug, "days": number % 4})
    await rig.directory.refresh()
    rows = await rig.rows(f"select slug, {DIAL_CODE} as dial_code from contests c")
    assert len(rows) == 13
    by_slug = {contest.slug: contest.dial_code for contest in rig.directory.all()}
    assert {row.slug: row.dial_code for row in rows} == by_slug
    assert {"*789*1#", "*789*8#", "*789*10#", "*789*13#"} <= set(by_slug.values())
