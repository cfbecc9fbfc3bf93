"""A lost second factor: two persons, a day, a mail that can stop it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession
from sqlalchemy import text

from admin.access.rules import Role
from admin.people.lost_factor import FACTOR_RESETS
from tests.admin.back_office import Office, open_office, other_organiser

AWA, SITA, YAO, ALI, MOUSSA, ZOE = (f"{name}@house.test" for name in ("awa", "sita", "yao", "ali", "moussa", "zoe"))
REASON = {"reason": "the phone fell into the lagoon"}


@pytest.fixture
async def office(database: Any) -> AsyncIterator[Office]:
    async with open_office(database.app_url) as opened:
        await opened.hire(AWA)
        await opened.hire(SITA, Role.ADMINISTRATOR)
        await opened.hire(YAO, Role.OWNER, "demo")
        await opened.hire(ALI, Role.OWNER, "demo")
        await opened.hire(MOUSSA, Role.MODERATOR, "demo")
        yield opened


class Case:
    """Somebody's second factor, and the people who act about it."""

    def __init__(self, office: Office, email: str, person: str) -> None:
        self.office, self.email, self.person = office, email, person
        self.clients: dict[str, ClientSession] = {}

    async def act(self, who: str, step: str) -> tuple[int, Any]:
        """Ask, agree or stop by the API; status, and what is wrong or being done."""
        if who not in self.clients:
            self.clients[who] = await self.office.signed_in(who)
        method, end, body = {
            "ask": ("POST", "", REASON),
            "agree": ("POST", "/agreement", None),
            "stop": ("DELETE", "", None),
        }[step]
        address = f"/api/admin/people/{self.person}/factor-reset{end}"
        async with self.clients[who].request(method, address, json=body) as answer:
            shown = await answer.json()
        return answer.status, shown["factorReset"] if answer.status < 300 else shown["type"].rpartition("/")[2]

    async def has_factor(self) -> bool:
        found = await self.office.access.sign_in.accounts.credentials(self.email)
        return found is not None and found.member.has_factor

    async def link(self) -> str:
        return str((await self.office.mails(self.email))[-1].params["link"])

    async def later(self) -> int:
        """A day later."""
        async with self.office.rig.engine.begin() as connection:
            await connection.execute(
                text("update factor_resets set due_at = due_at - interval '1d', asked_at = asked_at - interval '1d'")
            )
        return await self.office.app[FACTOR_RESETS].carry_out()


async def lost(office: Office, email: str) -> tuple[Case, str]:
    """A person with a second factor, and its secret."""
    secret = await office.set_up_factor(email)
    person = await office.rig.one(f"select id from staff where email = '{email}'")
    return Case(office, email, str(person)), secret


async def test_two_persons_and_a_day_take_a_lost_factor_away(office: Office) -> None:
    case, secret = await lost(office, MOUSSA)
    browser = await office.signed_in(MOUSSA, code=office.code(secret))
    assert (await case.act(YAO, "agree")) == (404, "not_found")
    status, asked = await case.act(YAO, "ask")
    assert (status, asked["askedBy"], asked["agreedBy"], asked["dueAt"]) == (201, YAO, None, None)
    assert [mail.kind for mail in await office.mails(MOUSSA)][-1] != "factor_reset"
    assert await case.act(ALI, "ask") == (409, "reset_asked")
    assert await case.act(YAO, "agree") == (403, "own_request")
    # Nothing happens without the second person.
    assert await office.app[FACTOR_RESETS].carry_out() == 0
    status, agreed = await case.act(ALI, "agree")
    assert (status, agreed["agreedBy"], agreed["dueAt"] is not None) == (200, ALI, True)
    assert await case.act(SITA, "agree") == (409, "reset_asked")
    mail = (await office.mails(MOUSSA))[-1]
    assert (mail.kind, mail.params["asked_by"], mail.params["agreed_by"]) == ("factor_reset", YAO, ALI)
    assert mail.params["link"].rpartition("/")[2] not in str(await office.rig.rows("select * from factor_resets"))
    assert await office.app[FACTOR_RESETS].carry_out() == 0
    assert await case.has_factor()
    assert await case.later() == 1
    assert not await case.has_factor()
    assert [mail.params.get("what") for mail in await office.mails(MOUSSA)][-1] == "taken_away"
    async with browser.get("/admin/me", allow_redirects=False) as answer:
        assert answer.status == 307, "its sessions are over"
    assert await case.later() == 0
    for act, actor in (("asked", YAO), ("agreed", ALI)):
        (line,) = await office.audit(f"staff.factor_reset_{act}")
        assert (line.actor, line.subject) == (actor, MOUSSA)
    assert len(await office.audit("staff.factor_reset")) == 1
    # The password alone signs in now, and leads to another factor where one is wanted.
    assert await office.signed_in(MOUSSA)
    assert await case.act(YAO, "ask") == (409, "no_factor")


@pytest.mark.parametrize("by", ["the link", "the link by API", "signing in", "who helps", "the owner of the database"])
async def test_a_factor_that_is_not_lost_stays(office: Office, by: str) -> None:
    case, secret = await lost(office, MOUSSA)
    await case.act(YAO, "ask")
    await case.act(SITA, "agree")
    link, reader = await case.link(), await office.browser()
    token = link.rpartition("/")[2]
    async with reader.get(link) as answer:
        assert (answer.status, answer.headers["Referrer-Policy"]) == (200, "no-referrer")
        assert MOUSSA in await answer.text()
    assert (await office.rig.one("select stopped_at from factor_resets")) is None, "reading a page stops nothing"
    if by == "the link":
        async with reader.post(link, headers={"Sec-Fetch-Site": "cross-site"}) as answer:
            assert answer.status == 403
        async with reader.post(link) as answer:
            assert answer.status == 200
    elif by == "the link by API":
        async with reader.post(f"/api/auth/factor-reset/{token}") as answer:
            assert (answer.status, await answer.json()) == (200, {"stopped": True})
    elif by == "signing in":
        await office.signed_in(MOUSSA, code=office.code(secret))
    elif by == "who helps":
        assert await case.act(ALI, "stop") == (200, None)
    else:
        await office.access.sign_in.accounts.reset_factor(MOUSSA, "cli:root")
    assert await case.later() == 0
    assert await case.has_factor() is (by != "the owner of the database")
    assert len(await office.audit("staff.factor_reset_stopped")) == 1
    # Those who asked and agreed, and whose factor it is, but not who stopped it.
    stopped = [mail for mail in await office.mails() if mail.kind == "factor_reset_stopped"]
    expected = {"who helps": {YAO, SITA, MOUSSA}, "the owner of the database": set()}.get(by, {YAO, SITA})
    assert {mail.to for mail in stopped} == expected
    assert {mail.params["by"] for mail in stopped} <= {ALI if by == "who helps" else MOUSSA}
    async with reader.post(link) as answer:
        assert answer.status == 404
    async with reader.post(f"/api/auth/factor-reset/{token}") as answer:
        assert answer.status == 404


async def test_who_may_help(office: Office) -> None:
    await other_organiser(office.rig)
    await office.hire(ZOE, Role.OWNER, "other")
    clients = {who: await office.signed_in(who) for who in (AWA, SITA, YAO, ALI, MOUSSA, ZOE)}
    for email, refused, second in (
        (MOUSSA, {ZOE: (404, "not_found"), MOUSSA: (403, "not_allowed")}, ALI),
        (YAO, {ZOE: (404, "not_found"), YAO: (403, "not_yours_to_reset")}, ALI),
        (AWA, {YAO: (404, "not_found"), AWA: (403, "not_yours_to_reset")}, SITA),
    ):
        case, _ = await lost(office, email)
        case.clients = clients
        for who, answer in refused.items():
            assert await case.act(who, "ask") == answer, (email, who)
        assert (await case.act(SITA, "ask"))[0] == 201
        await case.later()
        # Too late to agree: it has to be asked for again.
        assert await case.act(second, "agree") == (404, "not_found")
        assert (await case.act(SITA, "ask"))[0] == 201
    case.person = str(await office.rig.one(f"select id from staff where email = '{MOUSSA}'"))
    assert (await case.act(SITA, "ask"))[0] == 201
    # Who asked has been sent away since.
    async with office.rig.engine.begin() as connection:
        await connection.execute(text(f"update staff set active = false where email = '{SITA}'"))
    assert (await case.act(ALI, "agree"))[0] == 403


async def test_the_page_of_people_does_it_too(office: Office) -> None:
    case, _ = await lost(office, MOUSSA)
    yao, ali = await office.signed_in(YAO), await office.signed_in(ALI)
    address = f"/admin/people/{case.person}/factor"
    status, page = await office.form(yao, "/admin/people", address, step="ask", reason=" ")
    assert status == 422
    status, page = await office.form(yao, "/admin/people", address, step="ask", **REASON)
    assert (status, REASON["reason"] in page, 'value="agree"' in page) == (200, True, False)
    status, page = await office.form(ali, "/admin/people", address, step="agree")
    assert (status, "Accord de" in page) == (200, True)
    status, page = await office.form(ali, "/admin/people", address, step="agree")
    assert (status, "déjà demandé" in page) == (422, True)
    status, page = await office.form(ali, "/admin/people", address, step="stop")
    assert (status, "Second facteur perdu." in page) == (200, False)
    assert (await office.form(ali, "/admin/people", "/admin/people/nobody/factor", step="stop"))[0] == 404


async def test_nothing_is_taken_away_where_nobody_could_be_warned(database: Any) -> None:
    async with open_office(database.app_url, mail=False) as office:
        await office.hire(AWA)
        await office.hire(YAO, Role.OWNER, "demo")
        case, _ = await lost(office, YAO)
        assert await case.act(AWA, "ask") == (409, "no_mail")
