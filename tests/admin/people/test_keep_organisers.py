"""What organisers may do and have: stopped by the platform, and never more than their quotas."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import ClientSession
from sqlalchemy import text

from admin.access.rules import Role
from admin.candidates.store import CANDIDATES, Edit
from admin.contests.store import STAFF_CONTESTS
from admin.people.organisers import ORGANISERS
from admin.people.rules import Fault, PeopleRefused
from channels.voting_service import VOTING_SERVICE
from channels.web.nominations import NOMINATIONS
from gateway.contests.candidate_rules import Column
from gateway.contests.contest import CandidateStatus
from gateway.contests.document import document_of
from gateway.contests.nominations import NominationsOver, Nominee
from gateway.contests.quotas import DEFAULTS, Quota, QuotaReached
from gateway.contests.steps import Step
from gateway.contests.store import discard_draft
from gateway.orders.rules import PlacedOrder, Refusal
from gateway.storage.engine import ReadOnly, scoped
from gateway.values.organiser import OrganiserState
from payments.requests import Act, ActRefused, Why
from tests.admin.back_office import Office, open_office

SITA, YAO, AWA = "sita@platform.test", "yao@demo.test", "awa@platform.test"
REASON = "the papers are missing"
FROZEN, LIMITED, ACTIVE = OrganiserState.FROZEN, OrganiserState.LIMITED, OrganiserState.ACTIVE


@pytest.fixture
async def office(database: Any) -> AsyncIterator[Office]:
    async with open_office(database.app_url) as opened:
        await opened.hire(SITA, Role.ADMINISTRATOR)
        await opened.hire(AWA)
        await opened.hire(YAO, Role.OWNER, "demo")
        await opened.hire("moussa@demo.test", Role.MODERATOR, "demo")
        yield opened


async def call(client: ClientSession, method: str, path: str, **more: Any) -> tuple[int, Any]:
    async with client.request(method, f"/api/admin/{path}", **more) as answer:
        return answer.status, await answer.json()


async def put(office: Office, state: OrganiserState) -> None:
    await office.app[ORGANISERS].set_state(SITA, "demo", state, REASON)
    await office.rig.directory.refresh()


async def test_the_platform_stops_an_organiser_and_its_owners_are_told(office: Office) -> None:
    sita, yao = await office.signed_in(SITA), await office.signed_in(YAO)
    body = {"state": "frozen", "reason": REASON}
    assert (await call(yao, "PUT", "organisers/demo/state", json=body))[0] == 403
    status, shown = await call(sita, "PUT", "organisers/demo/state", json=body)
    assert (status, shown["state"], shown["stateReason"]) == (200, "frozen", REASON)
    assert [(past["by"], past["state"], past["reason"]) for past in shown["history"]] == [(SITA, "frozen", REASON)]
    # Again: nothing happens.
    assert (await call(sita, "PUT", "organisers/demo/state", json=body))[1]["history"] == shown["history"]
    (mail,) = await office.mails()
    assert (mail.kind, mail.to, mail.params["state"], mail.params["reason"]) == (
        "organiser_state",
        YAO,
        "frozen",
        REASON,
    )
    assert (await call(yao, "GET", "organisers/demo"))[1]["stateReason"] == REASON
    async with yao.get("/admin/contests", headers={"Accept-Language": "en"}) as shown_page:
        page = await shown_page.text()
        assert re.search(rf"This organiser is frozen.*Reason: {REASON}\.", page)
    status, page = await office.form(
        sita, "/admin/organisers/demo", "/admin/organisers/demo/state", state="active", reason=REASON
    )
    assert status == 200
    assert "Aucune restriction" in page
    assert [mail.params["state"] for mail in await office.mails(YAO)] == ["frozen", "active"]
    for given, wanted in (({"state": "gone", "reason": REASON}, 422), ({"state": "frozen", "reason": " "}, 422)):
        assert (await call(sita, "PUT", "organisers/demo/state", json=given))[0] == wanted
    assert (await call(sita, "PUT", "organisers/nobody/state", json=body))[0] == 404


async def test_people_of_a_frozen_organiser_read_and_change_nothing(office: Office) -> None:
    yao = await office.signed_in(YAO)
    _, document = await call(yao, "GET", "contests/star")
    await put(office, FROZEN)
    assert (await call(yao, "GET", "contests/star"))[0] == 200
    status, body = await call(yao, "PUT", "contests/star", json=document)
    assert (status, body["type"]) == (403, "/problems/frozen")
    status, page = await office.form(
        yao, "/admin/me", "/admin/people/invitations", email="x@house.test", role="manager"
    )
    assert status == 403
    assert "vous pouvez lire, mais rien changer" in page
    # Their own account is theirs.
    assert (await office.form(yao, "/admin/me", "/admin/me/codes"))[0] != 403
    # People of the platform act as ever.
    sita = await office.signed_in(SITA)
    assert (await call(sita, "PUT", "contests/star", json=document))[0] == 200


async def test_each_store_holds_by_itself(office: Office) -> None:
    """Behind the addresses: what takes a scope cannot write, and what takes a person refuses."""
    demo = office.rig.contest.organiser_id
    await put(office, FROZEN)
    with pytest.raises(ReadOnly):
        await office.app[CANDIDATES].add("star", demo, {Column.NAME: "Aya"}, YAO)
    assert (await office.app[CANDIDATES].standing("star", demo)).contest.slug == "star"
    for act in (
        office.rig.acts.ask(Act.VOID_WINDOW, "star", {}, REASON, YAO),
        office.people.withdraw(YAO, demo),
    ):
        with pytest.raises(ActRefused) as refused:
            await act
        assert refused.value.why is Why.FROZEN
    async with scoped(office.rig.engine, None) as connection:
        await connection.execute(text("update organisers set name = name"))


async def test_a_frozen_organiser_sells_nothing(office: Office) -> None:
    rig = office.rig
    before = await rig.placed()
    asked = rig.vote_request(number="+2250501020397")
    placed = await rig.place(asked)
    await put(office, FROZEN)
    assert await rig.place(rig.vote_request(number="+2250501020399")) is Refusal.SUSPENDED
    # The same key is the same order, whatever happened since.
    again = await rig.place(asked)
    assert isinstance(placed, PlacedOrder)
    assert isinstance(again, PlacedOrder)
    assert (again.vote_id, again.repeated) == (placed.vote_id, True)
    await rig.collect()
    assert await rig.status(before) == "failed"
    assert rig.provider.created == {}
    with pytest.raises(NominationsOver):
        await office.app[NOMINATIONS].nominate("star", Nominee("Awa", ""), "n" * 22, "fr")
    contest = office.app[VOTING_SERVICE].contest("star")
    assert contest is not None
    assert (contest.suspended, contest.listed, contest.open_at(datetime.now(UTC))) == (True, True, False)
    await put(office, LIMITED)
    assert isinstance(await rig.place(rig.vote_request(number="+2250501020398")), PlacedOrder)


async def test_in_a_limited_organiser_nothing_new_begins(office: Office) -> None:
    await put(office, LIMITED)
    demo, contests = office.rig.contest.organiser_id, office.app[STAFF_CONTESTS]
    await draft(office, "second")
    yao, sita = await office.signed_in(YAO), await office.signed_in(SITA)
    with pytest.raises(ActRefused) as refused:
        await contests.step("second", Step.PUBLISH, demo, YAO)
    assert refused.value.why is Why.LIMITED
    invitation = {"email": "new@house.test", "role": "manager"}
    assert (await call(yao, "POST", "people/invitations", json=invitation))[1]["type"] == "/problems/limited"
    payout = {"contest": "star", "amountMinor": 5, "beneficiary": str(demo), "reason": REASON}
    assert (await call(yao, "POST", "payouts", json=payout))[1]["type"] == "/problems/limited"
    assert (await call(await office.signed_in(AWA), "POST", "payouts", json=payout))[1]["type"] != "/problems/limited"
    _, document = await call(yao, "GET", "contests/star")
    document["contest"]["contact"] = "0707070708"
    assert (await call(yao, "PUT", "contests/star", json=document))[0] == 200
    assert (await call(sita, "POST", "people/invitations", json={**invitation, "organiser": "demo"}))[0] == 201
    assert (await contests.step("second", Step.PUBLISH, None, SITA)).listed
    assert (
        await office.rig.one(
            "select count(*) from contests where organiser_id = :id and slug in ('star', 'second')", id=demo
        )
        == 2
    )


async def draft(office: Office, slug: str) -> None:
    """A further contest of the demo's organiser, as a draft without codes and candidates."""
    made = document_of(office.rig.contest, ("demo", "Demo"))
    part = made.contest.model_copy(update={"slug": slug, "service_code": "", "short_code": "", "keyword": ""})
    document = made.model_copy(update={"contest": part, "candidates": []})
    await office.app[STAFF_CONTESTS].create(document, office.rig.contest.organiser_id, YAO)


async def test_no_more_than_the_quota_also_of_two_at_once(office: Office) -> None:
    demo, organisers = office.rig.contest.organiser_id, office.app[ORGANISERS]
    await organisers.set_quotas(
        SITA, "demo", {Quota.DRAFTS: 1, Quota.CONTESTS: 2, Quota.CANDIDATES: 13, Quota.PEOPLE: 3}
    )
    ends = await asyncio.gather(draft(office, "one"), draft(office, "two"), return_exceptions=True)
    (refused,) = [end for end in ends if end is not None]
    assert isinstance(refused, QuotaReached)
    assert (refused.quota, refused.most) == (Quota.DRAFTS, 1)
    yao = await office.signed_in(YAO)
    (slug,) = [row.slug for row in await office.rig.rows("select slug from contests where state = 'draft'")]
    with pytest.raises(QuotaReached, match="at most 2 contests"):
        await office.app[STAFF_CONTESTS].step(slug, Step.PUBLISH, demo, YAO)
    candidates = office.app[CANDIDATES]
    added = await asyncio.gather(
        *(candidates.add("star", demo, {Column.NAME: name}, YAO) for name in ("Aya Binta", "Zié Ouattara")),
        return_exceptions=True,
    )
    assert [type(end) for end in added if isinstance(end, BaseException)] == [QuotaReached]
    status, page = await office.form(
        yao, "/admin/me", "/admin/contests/star/candidates/new", name="Une autre", category="", text=""
    )
    assert status == 409
    assert "au plus 13 candidats" in page
    body = {"email": "new@house.test", "role": "moderator"}
    assert (await call(yao, "POST", "people/invitations", json=body))[0] == 201
    # The same address again takes the place of its invitation.
    assert (await call(yao, "POST", "people/invitations", json=body))[0] == 201
    status, refusal = await call(yao, "POST", "people/invitations", json={**body, "email": "more@house.test"})
    assert (status, refusal["type"]) == (409, "/problems/quota_reached")
    _, shown = await call(yao, "GET", "organisers/demo")
    used = {line["quota"]: (line["used"], line["most"]) for line in shown["quotas"]}
    assert used == {
        "contests": (2, 2),
        "drafts": (1, 1),
        "candidates": (13, 13),
        "people": (3, 3),
        "invitations": (2, DEFAULTS[Quota.INVITATIONS]),
        "videos": (0, DEFAULTS[Quota.VIDEOS]),
    }


async def test_so_many_invitations_a_day(office: Office) -> None:
    await office.app[ORGANISERS].set_quotas(SITA, "demo", {Quota.INVITATIONS: 2})
    yao = await office.signed_in(YAO)
    _, made = await call(yao, "POST", "people/invitations", json={"email": "new@house.test", "role": "moderator"})
    again = f"people/invitations/{made['id']}/resend"
    assert (await call(yao, "POST", again))[0] == 200
    assert (await call(yao, "POST", again))[0] == 409
    async with office.rig.engine.begin() as connection:
        await connection.execute(text("update invitations set sent_at = sent_at - interval '1 day'"))
    assert (await call(yao, "POST", again))[0] == 200


async def test_quotas_are_the_platforms_to_give(office: Office) -> None:
    yao, sita = await office.signed_in(YAO), await office.signed_in(SITA)
    body = {"quotas": {"drafts": 7}}
    assert (await call(yao, "PUT", "organisers/demo/quotas", json=body))[0] == 403
    status, shown = await call(sita, "PUT", "organisers/demo/quotas", json=body)
    assert (status, [line["most"] for line in shown["quotas"] if line["quota"] == "drafts"]) == (200, [7])
    (line,) = await office.audit("organiser.quotas")
    assert line.detail == {"from": {"drafts": DEFAULTS[Quota.DRAFTS]}, "to": {"drafts": 7}}
    for name, most in (("drafts", -1), ("cars", 1), ("drafts", 10**9)):
        odd = {"quotas": {name: most}}
        assert (await call(sita, "PUT", "organisers/demo/quotas", json=odd))[0] == 422
    assert (await call(sita, "PUT", "organisers/demo/quotas", json={"quotas": {}}))[0] == 422
    form = {"drafts": "8", "people": ""}
    assert (await office.form(sita, "/admin/organisers/demo", "/admin/organisers/demo/quotas", **form))[0] == 200
    assert (await office.form(sita, "/admin/organisers/demo", "/admin/organisers/demo/quotas", drafts="many"))[0] == 422
    assert await office.rig.one("select quotas from organisers where slug = 'demo'") == {"drafts": 8}
    assert await office.rig.one("select count(*) from audit_log where act = 'organiser.quotas'") == 2


async def test_a_draft_is_discarded_with_all_that_only_it_has(office: Office) -> None:
    await draft(office, "second")
    rig, demo, candidates = office.rig, office.rig.contest.organiser_id, office.app[CANDIDATES]
    await candidates.import_file("second", demo, b"name,status\nAya,\nBinta,waiting\n", None, YAO)
    code = await rig.one(
        "select min(k.code) from candidates k join contests c on c.id = k.contest_id where slug = 'second'"
    )
    await candidates.edit("second", code, demo, Edit(status=CandidateStatus.REJECTED, reason="too late"), YAO)
    await candidates.new_link("second", code, demo, YAO)
    await candidates.preview_file("second", demo, b"name\nZie\n", None, YAO, keep=True)
    yao = await office.signed_in(YAO)
    status, _ = await office.form(yao, "/admin/contests/second", "/admin/contests/second/discard", name="another")
    assert status == 422
    status, page = await office.form(
        yao, "/admin/contests/second", "/admin/contests/second/discard", name=rig.contest.name.upper()
    )
    assert (status, "/admin/contests/second" in page) == (200, False)
    assert await rig.one("select count(*) from contests where slug = 'second'") == 0
    (line,) = await office.audit("contest.discard")
    assert (line.actor, line.subject, line.detail["candidates"]) == (YAO, "second", 2)
    # Its slug is free again, and what is published stays.
    await draft(office, "second")
    status, body = await call(yao, "DELETE", "contests/star")
    assert (status, body["type"]) == (409, "/problems/impossible")
    assert await rig.one("select count(*) from candidates where contest_id = :id", id=rig.contest.id) == 12
    assert (await call(yao, "DELETE", "contests/second"))[0] == 200
    assert (await call(yao, "DELETE", "contests/second"))[0] == 404


@pytest.mark.parametrize(
    "used",
    [
        "insert into video_uploads (public_id, contest_id, candidate_id, issued_by)"
        " select 'v', c.id, k.id, 'x' from contests c join candidates k on k.contest_id = c.id where c.slug = 'second'",
        "update staff set contest_id = (select id from contests where slug = 'second'), role = 'auditor'"
        " where email = 'moussa@demo.test'",
        "insert into staff_requests (id, act, subject, reason, requested_by, contest_id) select gen_random_uuid(),"
        " 'void_window', slug, 'a test of it', 'x', id from contests where slug = 'second'",
    ],
)
async def test_a_draft_that_something_else_is_about_stays(office: Office, used: str) -> None:
    await draft(office, "second")
    demo = office.rig.contest.organiser_id
    await office.app[CANDIDATES].import_file("second", demo, b"name\nAya\n", None, YAO)
    async with office.rig.engine.begin() as connection:
        await connection.execute(text(used))
    with pytest.raises(ActRefused) as refused:
        await office.app[STAFF_CONTESTS].discard("second", demo, YAO)
    assert refused.value.why is Why.IMPOSSIBLE
    assert (
        await office.rig.one(
            "select count(*) from candidates k join contests c on c.id = k.contest_id and slug = 'second'"
        )
        == 1
    )


async def test_the_database_discards_no_draft_of_another_organiser(office: Office) -> None:
    await draft(office, "second")
    contest = await office.rig.one("select id from contests where slug = 'second'")
    async with scoped(office.rig.engine, contest) as connection:  # the id of no organiser
        assert await discard_draft(connection, contest) is not None
    assert await office.rig.one("select count(*) from contests where slug = 'second'") == 1


async def test_a_draft_moves_to_another_country_and_what_is_published_does_not(office: Office) -> None:
    await draft(office, "second")
    yao = await office.signed_in(YAO)
    status, _ = await office.form(yao, "/admin/contests/second/edit", country="CM", version="1")
    assert status == 200
    row = (await office.rig.rows("select country, currency from contests where slug = 'second'"))[0]
    assert tuple(row) == ("CM", "XAF")
    assert (await office.form(yao, "/admin/contests/second/edit", country="XX", version="2"))[0] == 422
    version = str(office.rig.contest.version)
    assert (await office.form(yao, "/admin/contests/star/edit", country="CM", version=version))[0] == 409
    assert await office.rig.one("select country from contests where slug = 'star'") == "CI"


async def test_an_owner_of_an_organiser_with_contests_is_appointed_by_an_owner(office: Office) -> None:
    """An administrator lacks an owner's rights about money, so takes hold of none."""
    rig, people = office.rig, office.people
    async with rig.engine.begin() as connection:
        await connection.execute(text("update staff set active = false where email = :email"), {"email": YAO})
    with pytest.raises(PeopleRefused) as refused:
        await people.invite_first_owner(SITA, "demo", "new@house.test", "fr")
    assert refused.value.fault is Fault.OWNERS_TO_GIVE
    assert await office.mails() == []
    await people.invite_first_owner(AWA, "demo", "new@house.test", "fr")
    assert [mail.kind for mail in await office.mails()] == ["invitation"], "who appoints needs no notice"
    made = await people.open_organiser(SITA, "etoiles", "Etoiles", "first@house.test", "fr")
    (notice,) = await office.mails(AWA)
    assert (notice.kind, notice.params["owner"], notice.params["inviter"]) == ("first_owner", "first@house.test", SITA)
    await people.send_again(SITA, made.invitation)
