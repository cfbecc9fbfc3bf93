"""People propose themselves by a public form and follow it by their private link."""

import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData, web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import text

from admin.mail.store import Mails
from admin.mail.words import write
from channels.messages.outbox import Outbox, SentMessage
from channels.messages.rules import Routes
from channels.voting_service import VOTING_SERVICE
from channels.web import nominations as pages_of_nominations
from channels.web.models import CandidateCard
from gateway.contests.contest import Contest
from gateway.contests.corrections import Corrections, NothingWaits
from gateway.contests.directory import read_contest
from gateway.contests.nominations import OF_CONTACT_A_DAY, WAITING_MAX, Guardian, read_contact
from gateway.contests.pictures.keep_photos import Photos
from gateway.contests.pictures.resize_apart import Resizer
from gateway.http import middleware
from gateway.http.limits import LIMITS, NOMINATIONS_AN_HOUR, RateLimits
from gateway.http.pages import Pages
from gateway.runtime.connections import utc_now
from gateway.storage.engine import scoped
from gateway.storage.pictures import FolderPictures
from leaderboard.scores import Rankings
from tests.rigs.live_service import live_service
from tests.rigs.nominations import PUBLIC_URL, nominations_of, texts
from tests.rigs.photos import halves, saved
from tests.rigs.rig import Rig

FORM = "/c/star/nominate"
TYPED = {"name": "Léa Bony", "contact": "0501020304", "text": "One\r\ntwo", "consent": "1"}


@dataclass
class Visitor:
    """A browser and what it visits."""

    rig: Rig
    client: TestClient[web.Request, web.Application]
    photos: Path

    async def send(self, nonce: str | None = None, **fields: str) -> tuple[int, str, str]:
        """Send the form; status, page and address of where it leads."""
        if nonce is None:
            page = await (await self.client.get(FORM)).text()
            found = re.search(r'name="nonce" value="([\w-]+)"', page)
            nonce = found[1] if found else ""
        async with self.client.post(FORM, data={"nonce": nonce, **TYPED, **fields}) as answer:
            return answer.status, await answer.text(), answer.url.path

    async def photo(self, link: str, data: bytes) -> tuple[int, str]:
        """Send a file to a private link."""
        body = FormData()
        body.add_field("file", BytesIO(data), filename="me.jpg")
        async with self.client.post(f"{link}/photo", data=body) as answer:
            return answer.status, await answer.text()

    async def change(self, link: str, form: str, **fields: str) -> tuple[int, str]:
        """Send a form of a private page."""
        async with self.client.post(f"{link}/{form}", data=fields) as answer:
            return answer.status, await answer.text()

    async def decide(self, status: str, reason: str = "") -> None:
        """What staff decide about the last candidate."""
        async with self.rig.engine.begin() as connection:
            await connection.execute(
                text(
                    "update candidates set status = :status, reason = :reason,"
                    " code = case when :status = 'approved' then '13' else code end where code in ('13', '000001')"
                ),
                {"status": status, "reason": reason},
            )


async def taking(rig: Rig) -> None:
    async with rig.engine.begin() as connection:
        await connection.execute(
            text("update contests set nominations = true, categories = '{Chant,Danse}' where slug = 'star'")
        )
    await rig.directory.refresh()


async def application(rig: Rig, limits: RateLimits, folder: Path) -> web.Application:
    app = web.Application(middlewares=[middleware.around_request], client_max_size=64 * 1024)
    app[VOTING_SERVICE] = live_service(rig, Rankings(rig.directory, utc_now))
    app[LIMITS] = limits
    app.on_cleanup.append(limits.close)
    pages = Pages()
    pages.mount(app)
    pages.add("channels.web")
    nominations = nominations_of(rig)
    photos = Photos(rig.engine, FolderPictures(folder), Resizer())
    pages_of_nominations.setup(app, nominations, photos)
    return app


@pytest.fixture
async def visitor(database: Any, redis_url: str, tmp_path: Path) -> AsyncIterator[Visitor]:
    rig = await Rig(database.app_url).open()
    await taking(rig)
    app = await application(rig, RateLimits(redis_url, enabled=False), tmp_path)
    async with TestClient(TestServer(app), headers={"Accept-Language": "en"}) as client:
        yield Visitor(rig, client, tmp_path)
    await rig.close()


async def test_a_nomination_waits_and_is_seen_by_its_link_alone(visitor: Visitor) -> None:
    status, page, link = await visitor.send(category="Chant")
    assert (status, link.startswith("/nominations/")) == (200, True)
    assert ("Your nomination waits" in page, "One\ntwo" in page, "0501020304" in page) == (True, True, False)
    (row,) = await visitor.rig.rows(
        "select k.*, l.contact_cipher, l.token_hash, l.consented_at from candidates k"
        " join candidate_links l on l.candidate_id = k.id"
    )
    assert (row.code, row.name, row.status, row.category) == ("000001", "Léa Bony", "submitted", "Chant")
    assert b"0501020304" not in row.contact_cipher
    assert link.rpartition("/")[2].encode() not in row.token_hash
    assert row.consented_at is not None
    public = visitor.rig.directory.by_slug("star")
    assert public is not None
    assert public.candidate("000001") is None
    (line,) = await visitor.rig.rows("select * from audit_log where act = 'candidate.nominate'")
    assert "0501020304" not in str(line)


async def test_the_same_form_sent_twice_is_one_nomination(visitor: Visitor) -> None:
    first = await visitor.send("n" * 24)
    assert await visitor.send("n" * 24) == first
    assert await visitor.rig.one("select count(*) from candidates where name = 'Léa Bony'") == 1


async def test_a_name_like_another_is_asked_about(visitor: Visitor) -> None:
    status, page, _ = await visitor.send(name="Coulibaly Fatou")
    assert (status, "a candidate already: Fatou Coulibaly." in page, 'name="sure"' in page) == (409, True, True)
    assert (await visitor.send(name="Coulibaly Fatou", contact="f@example.org", sure="1"))[0] == 200
    # Nobody reads the names of those who wait.
    status, page, _ = await visitor.send(name="Fatou Coulibaly")
    assert status == 409
    await visitor.send()
    status, page, _ = await visitor.send(name="Lea Bony")
    assert (status, "proposed already" in page, "Léa" in page) == (409, True, False)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": " "}, "Write your name."),
        ({"name": "Awa\u202e"}, "invisible character"),
        ({"name": "..."}, "neither a letter"),
        ({"contact": "12"}, "neither a number"),
        ({"contact": "a@b"}, "neither a number"),
        ({"contact": "+33612345678"}, "neither a number"),
        ({"text": "x" * 1_001}, "at most 1000 characters"),
        ({"category": "Opera"}, "category of the list"),
        ({"consent": ""}, "Tick this box"),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_typed_is_lost(
    visitor: Visitor, fields: dict[str, str], words: str
) -> None:
    status, page, _ = await visitor.send(**fields)
    assert (status, words in page, "One\r\ntwo" in page or "text" in fields) == (422, True, True)
    assert await visitor.rig.one("select count(*) from candidate_links") == 0


@pytest.mark.parametrize(
    ("nonce", "fields", "status"),
    [("", {}, 422), ("short", {}, 422), (None, {"website": "https://spam.example"}, 422), (None, {"name": "\0"}, 422)],
)
async def test_forms_of_programs_are_not_taken(
    visitor: Visitor, nonce: str | None, fields: dict[str, str], status: int
) -> None:
    assert (await visitor.send(nonce, **fields))[0] == status
    assert await visitor.rig.one("select count(*) from candidate_links") == 0


async def test_a_form_from_elsewhere_is_not_taken(visitor: Visitor) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    async with visitor.client.post(FORM, data={"nonce": "n" * 24, **TYPED}, headers=headers) as answer:
        assert answer.status == 403
    async with visitor.client.post(FORM, data=b"x" * 70_000) as answer:
        assert answer.status in (413, 415)
    async with visitor.client.post("/nominations/x/photo", data={}, headers=headers) as answer:
        assert answer.status == 403


@pytest.mark.parametrize(
    "change",
    ["nominations = false", "state = 'draft'", "state = 'archived'", "closes_at = now() - interval '1 minute'"],
)
async def test_only_a_contest_that_wants_them_takes_nominations(visitor: Visitor, change: str) -> None:
    async with visitor.rig.engine.begin() as connection:
        await connection.execute(text(f"update contests set {change} where slug = 'star'"))
    # Also where this process has not noticed yet.
    assert (await visitor.send("n" * 24))[0] == 409
    await visitor.rig.directory.refresh()
    assert (await visitor.send("n" * 24))[0] == 404
    async with visitor.client.get(FORM) as answer:
        assert answer.status == 404
    async with visitor.client.get("/c/nothing/nominate") as answer:
        assert answer.status == 404


async def test_so_many_may_wait_and_no_more(visitor: Visitor) -> None:
    async with visitor.rig.engine.begin() as connection:
        await connection.execute(
            text(
                "insert into candidates (id, contest_id, code, name, status) select gen_random_uuid(), c.id,"
                " cast(1000 + n as text), 'N' || n, 'submitted' from contests c, generate_series(1, :most) n"
                " where c.slug = 'star'"
            ),
            {"most": WAITING_MAX},
        )
    status, page, _ = await visitor.send()
    assert (status, "Too many nominations" in page) == (409, True)


async def test_the_link_tells_the_decision(visitor: Visitor) -> None:
    _, _, link = await visitor.send()
    await visitor.decide("rejected", "Not of age")
    async with visitor.client.get(link) as answer:
        page = await answer.text()
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
    assert ("not accepted" in page, "Not of age" in page) == (True, True)
    await visitor.decide("approved")
    page = await (await visitor.client.get(link)).text()
    assert ("You are a candidate." in page, "0 votes" in page, 'href="/c/star/13"' in page) == (True, True, True)
    for other in (link[:-1] + ("A" if link[-1] != "A" else "B"), "/nominations/x", "/nominations/%00"):
        async with visitor.client.get(other) as answer:
            assert answer.status in (400, 404), other


async def test_a_photo_is_sent_while_the_nomination_waits(visitor: Visitor) -> None:
    _, _, link = await visitor.send()
    status, page = await visitor.photo(link, b"<svg onload=alert(1)>")
    assert (status, "neither JPEG" in page, list(visitor.photos.rglob("*.webp"))) == (422, True, [])
    status, page = await visitor.photo(link, saved(halves()))
    assert (status, 'class="portrait"' in page) == (200, True)
    kept = len(list(visitor.photos.rglob("*.webp")))
    assert kept == 3
    await visitor.decide("rejected", "Not of age")
    status, page = await visitor.photo(link, saved(halves()))
    assert (status, "The decision is made" in page) == (409, True)
    assert len(list(visitor.photos.rglob("*.webp"))) == kept
    assert (await visitor.photo("/nominations/x", saved(halves())))[0] == 404
    async with visitor.client.post(f"{link}/photo", data={"file": "x"}) as answer:
        assert answer.status == 415
    assert (await visitor.photo(link, b"x" * (6 << 20)))[0] in (409, 413, 422)


async def test_an_address_sends_so_many_an_hour(database: Any, redis_url: str, tmp_path: Path) -> None:
    rig = await Rig(database.app_url).open()
    await taking(rig)
    app = await application(rig, RateLimits(redis_url), tmp_path)
    async with TestClient(TestServer(app)) as client:
        for _ in range(NOMINATIONS_AN_HOUR):
            async with client.post(FORM, data={"nonce": "x"}) as answer:
                assert answer.status == 422
        async with client.post(FORM, data={"nonce": "x"}) as answer:
            assert (answer.status, int(answer.headers["Retry-After"]) > 60) == (429, True)
    await rig.close()


@pytest.mark.parametrize(
    ("typed", "contact"),
    [
        ("05 01 02 03 04", "+2250501020304"),
        ("+225 0501020304", "+2250501020304"),
        (" Lea@Example.org ", "lea@example.org"),
        ("lea@example", None),
        ("lea bony@example.org", None),
        ("l@" + "x" * 300 + ".org", None),
        ("12", None),
        ("", None),
    ],
)
def test_a_contact_is_a_number_or_an_address(typed: str, contact: str | None) -> None:
    assert read_contact(typed, "CI") == contact


async def test_the_link_is_sent_to_the_contact(visitor: Visitor) -> None:
    _, _, link = await visitor.send()
    ((kind, number, words),) = await texts(visitor.rig)
    assert (kind, number) == ("nomination_link", "+2250501020304")
    assert words.endswith(f"for yourself: {PUBLIC_URL}{link}")
    (row,) = await visitor.rig.rows("select params::text, params_cipher from messages_out")
    assert (row.params, link.rpartition("/")[2].encode() in row.params_cipher) == ("{}", False)
    outbox = Outbox(visitor.rig.engine, visitor.rig.vault, PUBLIC_URL)
    (owed,) = await outbox.claim_due(9, Routes(("none",)))
    assert owed.params["link"] == PUBLIC_URL + link
    await outbox.record_sent([SentMessage(owed.id, owed.attempts, "sent", "none")])
    assert await visitor.rig.one("select params_cipher is null from messages_out")


async def test_a_mail_tells_the_same(visitor: Visitor) -> None:
    _, _, link = await visitor.send(contact="lea@example.org")
    (mail,) = await Mails(visitor.rig.engine, visitor.rig.vault, on=True).claim_due(10)
    assert (mail.to, mail.kind) == ("lea@example.org", "nomination_link")
    assert PUBLIC_URL + link in write(mail.kind, mail.language, dict(mail.params)).text
    assert await texts(visitor.rig) == []


async def test_a_contact_is_asked_about_and_used_so_often(visitor: Visitor) -> None:
    await visitor.send()
    status, page, _ = await visitor.send(name="Awa Traoré")
    assert (status, "is proposed already" in page, 'name="sure"' in page) == (409, True, True)
    for name in ("Awa Traoré", "Binta Sow"):
        assert (await visitor.send(name=name, sure="1"))[0] == 200
    status, page, _ = await visitor.send(name="Cira Diop", sure="1")
    assert (status, "too often today" in page) == (422, True)
    codes = [row.code for row in await visitor.rig.rows("select code from candidates where code ~ '^00' order by code")]
    assert codes == ["000001", "000002", "000003"]
    assert len(await texts(visitor.rig)) == OF_CONTACT_A_DAY


async def test_nominations_close_before_the_contest(visitor: Visitor) -> None:
    async with visitor.rig.engine.begin() as connection:
        await connection.execute(text("update contests set nominations_close_at = now() + interval '1 hour'"))
    await visitor.rig.directory.refresh()
    async with visitor.client.get(FORM) as answer:
        assert "Nominations are taken until" in await answer.text()
    async with visitor.rig.engine.begin() as connection:
        await connection.execute(text("update contests set nominations_close_at = now()"))
    assert (await visitor.send("n" * 24))[0] == 409
    await visitor.rig.directory.refresh()
    assert (await visitor.send("n" * 24))[0] == 404


async def test_who_waits_corrects_the_presentation_at_once(visitor: Visitor) -> None:
    _, _, link = await visitor.send()
    status, page = await visitor.change(link, "text", text="Three\r\nfour")
    assert (status, "Three\nfour" in page, "waits for the team. Until" in page) == (200, True, False)
    assert await visitor.rig.one("select text from candidates where code = '000001'") == "Three\nfour"
    for wrong, words in (("x" * 1_001, "at most 1000 characters"), ("A\u202e", "invisible character")):
        status, page = await visitor.change(link, "text", text=wrong)
        assert (status, words in page) == (422, True)
    (line,) = await visitor.rig.rows("select actor from audit_log where act = 'candidate.edit'")
    assert line.actor == "nomination"


async def test_a_change_of_a_candidate_waits_and_the_old_stays_public(visitor: Visitor) -> None:
    _, _, link = await visitor.send()
    await visitor.photo(link, saved(halves()))
    await visitor.decide("approved")
    _, page = await visitor.change(link, "text", text="New words")
    status, page = await visitor.photo(link, saved(halves()))
    assert (status, "This change waits for the team" in page, "New words" in page) == (200, True, True)
    await visitor.rig.directory.refresh()
    contest = visitor.rig.directory.by_slug("star")
    assert contest is not None
    held = contest.candidate("13")
    assert held is not None
    assert held.text == "One\ntwo"
    assert held.photo is not None
    (row,) = await visitor.rig.rows("select * from candidate_corrections")
    assert (row.text, row.photo not in (None, held.photo.address), row.reason) == ("New words", True, None)
    # A later photo takes the place of the one that waits, whose files go.
    await visitor.photo(link, saved(halves()))
    assert len(list(visitor.photos.rglob("*.webp"))) == 6
    # What stands already is no change; the photo still waits.
    await visitor.change(link, "text", text="One\r\ntwo")
    (row,) = await visitor.rig.rows("select * from candidate_corrections")
    assert (row.text, row.photo is None) == (None, False)


async def test_a_name_is_corrected_at_once_until_the_nomination_is_approved(visitor: Visitor) -> None:
    _, _, link = await visitor.send()
    status, page = await visitor.change(link, "name", name="  Léa   Bony-Diop ")
    assert (status, "<h1>Léa Bony-Diop</h1>" in page) == (200, True)
    held = await visitor.rig.one(
        "select k.name from candidates k join contests c on c.id = contest_id where slug = 'star' and code = '07'"
    )
    for name, words in (
        ("", "Write your name"),
        ("…", "neither a letter"),
        ("x" * 201, "at most 200 characters"),
        ("A\u202e", "invisible character"),
        (held.upper(), "Another candidate has this name"),
    ):
        status, page = await visitor.change(link, "name", name=name)
        assert (status, words in page) == (422, True), name
    assert await visitor.rig.one("select count(*) from candidate_changes where former_name is not null") == 0


async def test_a_changed_name_waits_and_is_public_with_its_reason(visitor: Visitor) -> None:
    rig = visitor.rig
    _, _, link = await visitor.send()
    await visitor.decide("approved")
    status, page = await visitor.change(link, "name", name="Léa Koné")
    assert (status, "say why your name changes" in page, 'value="Léa Koné"' in page) == (422, True, True)
    status, page = await visitor.change(link, "name", name="Léa Koné", why="\u202e")
    assert (status, "Give a reason" in page) == (422, True)
    status, page = await visitor.change(link, "name", name="Léa Koné", why="I married")
    assert (status, "This change waits" in page, "<h1>Léa Bony</h1>" in page) == (200, True, True)
    # What stands already is no change.
    await visitor.change(link, "name", name="Léa Bony")
    assert await rig.one("select count(*) from candidate_corrections") == 0
    await visitor.change(link, "name", name="Léa Koné", why="I married")
    corrections = Corrections(nominations_of(rig), Photos(rig.engine, FolderPictures(visitor.photos), Resizer()))
    organiser = await rig.one("select organiser_id from contests where slug = 'star'")
    await corrections.decide(organiser, "star", "13", "awa@demo.test")
    await rig.directory.refresh()
    contest = rig.directory.by_slug("star")
    assert contest is not None
    held = contest.candidate("13")
    assert held is not None
    assert (held.name, [(one.former, one.reason) for one in held.renamed]) == ("Léa Koné", [("Léa Bony", "I married")])
    card = CandidateCard.model_validate(held)
    assert [(one.name, one.reason) for one in card.former_names] == [("Léa Bony", "I married")]
    await visitor.change(link, "text", text="Other words")
    await corrections.decide(organiser, "star", "13", "awa@demo.test", reason="Too loud")
    told = {kind: words for kind, _, words in await texts(rig)}
    assert (
        "the change that you asked for is published: https://vote.example/c/star/13"
        in (told["nomination_change_taken"])
    )
    assert told["nomination_change_refused"].endswith("Reason: Too loud")


async def test_while_the_organiser_is_frozen_a_candidate_reads_and_may_leave(visitor: Visitor) -> None:
    _, _, link = await visitor.send()
    await visitor.decide("approved")
    for state, changes in (("limited", True), ("frozen", False)):
        async with visitor.rig.engine.begin() as connection:
            await connection.execute(text("update organisers set state = :state"), {"state": state})
        page = await (await visitor.client.get(link)).text()
        assert ("is suspended for now" in page, f'action="{link}/text"' in page) == (not changes, changes)
        status, _ = await visitor.change(link, "text", text=state)
        assert (status == 200) is changes
    status, page = await visitor.change(link, "leave", sure="1")
    assert (status, "You are no longer in the contest" in page) == (200, True)


async def test_a_minor_has_a_guardian_whom_only_the_team_reads(visitor: Visitor) -> None:
    status, page, _ = await visitor.send(minor="1")
    words = ("Write the name of the parent", "no number of this country", "guardian ticks this box")
    assert (status, [one in page for one in words]) == (422, [True] * 3)
    guardian = {"guardian": "Mariam Bony", "guardian_phone": "0707080910", "guardian_consent": "1"}
    status, page, _ = await visitor.send(**guardian)
    assert (status, "Mariam" in page) == (200, False)
    rig, contest = visitor.rig, await read(visitor.rig)
    async with scoped(rig.engine, contest.organiser_id) as connection:
        found = await nominations_of(rig).guardians(connection, contest.candidates)
    (person,) = [one for one in contest.candidates if one.name == "Léa Bony"]
    assert found == {person.id: Guardian("Mariam Bony", "+2250707080910")}
    assert "Mariam" not in str(await rig.rows("select * from audit_log"))
    assert b"Mariam" not in await rig.one("select guardian_cipher from candidate_links")


async def read(rig: Rig) -> Contest:
    """The contest with those who wait."""
    async with rig.engine.connect() as connection:
        contest = await read_contest(connection, "star", None)
    assert contest is not None
    return contest


async def test_a_change_is_agreed_to_or_refused(visitor: Visitor) -> None:
    _, _, link = await visitor.send()
    await visitor.decide("approved")
    rig = visitor.rig
    corrections = Corrections(nominations_of(rig), Photos(rig.engine, FolderPictures(visitor.photos), Resizer()))
    await visitor.change(link, "text", text="New words")
    await visitor.photo(link, saved(halves()))
    await corrections.decide(None, "star", "13", "awa@demo.test", reason="A friend's photo")
    assert list(visitor.photos.rglob("*.webp")) == []
    page = await (await visitor.client.get(link)).text()
    assert ("did not take your last change. Reason: A friend&#39;s photo" in page, "New words" in page) == (True, False)
    await visitor.change(link, "text", text="Newer words")
    await visitor.photo(link, saved(halves()))
    await corrections.decide(None, "star", "13", "awa@demo.test")
    row = (await rig.rows("select text, photo from candidates where code = '13'"))[0]
    assert (row.text, row.photo is not None) == ("Newer words", True)
    assert await rig.one("select count(*) from candidate_corrections") == 0
    with pytest.raises(NothingWaits):
        await corrections.decide(None, "star", "13", "awa@demo.test")
    assert len(list(visitor.photos.rglob("*.webp"))) == 3
    await visitor.photo(link, saved(halves()))
    # Files of a change that waits are somebody's.
    photos = Photos(rig.engine, FolderPictures(visitor.photos), Resizer())
    for file in visitor.photos.rglob("*.webp"):
        os.utime(file, (0, 0))
    assert await photos.sweep() == 0


async def test_a_candidate_leaves_once_they_are_sure(visitor: Visitor) -> None:
    _, _, link = await visitor.send()
    await visitor.decide("approved")
    status, page = await visitor.change(link, "leave")
    assert (status, "Tick the box" in page) == (422, True)
    status, page = await visitor.change(link, "leave", sure="1")
    assert (status, "You are no longer in the contest." in page, "/leave" in page) == (200, True, False)
    assert await visitor.rig.one("select status from candidates where code = '13'") == "withdrawn"
    assert (await visitor.change(link, "leave", sure="1"))[0] == 409
    assert (await visitor.change(link, "text", text="x"))[0] == 409
    assert (await visitor.change("/nominations/x", "leave", sure="1"))[0] == 404


async def test_nothing_changes_after_the_close(visitor: Visitor) -> None:
    _, _, link = await visitor.send()
    await visitor.decide("approved")
    async with visitor.rig.engine.begin() as connection:
        await connection.execute(text("update contests set opens_at = now() - interval '2 days', closes_at = now()"))
    for form in ("leave", "text"):
        assert (await visitor.change(link, form, sure="1", text="x"))[0] == 409
    assert (await visitor.photo(link, saved(halves())))[0] == 409
    assert list(visitor.photos.rglob("*.webp")) == []
