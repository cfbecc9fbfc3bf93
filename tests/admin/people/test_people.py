"""How people get in: invited, accepted, given another role, ended; and a password that was lost."""

import html
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientSession
from sqlalchemy import event, text

from admin.access.rules import FREE_TRIES, Role
from admin.people import store
from tests.admin.back_office import PASSWORD, Office, open_office, other_organiser

AWA, YAO, ALI, SITA = (f"{name}@house.test" for name in ("awa", "yao", "ali", "sita"))
NEW = "new@house.test"
ANOTHER = "quatre saisons de cacao"
API = "/api/admin/people"


@pytest.fixture
async def office(database: Any) -> AsyncIterator[Office]:
    async with open_office(database.app_url) as opened:
        await opened.hire(AWA)
        await opened.hire(YAO, Role.OWNER, "demo")
        yield opened


async def link_in(office: Office, to: str = NEW) -> str:
    """The link of the newest mail to somebody."""
    mail = (await office.mails(to))[-1]
    return mail.params["link"]


async def call(office: Office, who: str, method: str, path: str, **more: Any) -> tuple[int, Any]:
    client = await office.browser()
    bearer = {"Authorization": f"Bearer {await office.token(who)}"}
    async with client.request(method, path, headers=bearer, **more) as answer:
        return answer.status, await answer.json()


async def invited(office: Office, by: str = YAO, role: str = "manager", **more: str) -> str:
    status, body = await call(office, by, "POST", f"{API}/invitations", json={"email": NEW, "role": role, **more})
    assert (status, body["mailed"], body["link"]) == (201, True, None), body
    return str(body["id"])


async def accepted(office: Office, link: str, **fields: str) -> tuple[int, str, ClientSession]:
    client = await office.browser()
    given = {"name": "Nouvelle Personne", "password": PASSWORD, **fields}
    async with client.post(link, data=given) as answer:
        return answer.status, await answer.text(), client


async def test_an_invitation_is_read_accepted_once_and_leads_to_the_second_factor(database: Any) -> None:
    async with open_office(database.app_url, factor_wanted=True) as office:
        await office.hire(YAO, Role.OWNER, "demo")
        secret = await office.set_up_factor(YAO)
        client = await office.signed_in(YAO, code=office.code(secret))
        status, page = await office.form(
            client, "/admin/people", "/admin/people/invitations", email=f" {NEW.upper()}", role="manager", language="en"
        )
        assert status == 200
        assert NEW in page
        (mail,) = await office.mails(NEW)
        assert (mail.kind, mail.language, mail.params["role"], mail.params["inviter"]) == (
            "invitation",
            "en",
            "manager",
            YAO,
        )
        link = mail.params["link"]
        reader = await office.browser()
        for _ in range(2):
            async with reader.get(link) as answer:
                assert answer.status == 200
                assert answer.headers["Referrer-Policy"] == "no-referrer"
                assert NEW in await answer.text()
        assert len(link.rpartition("/")[2]) >= 43
        status, _, fresh = await accepted(office, link)
        async with fresh.get("/admin/people") as answer:
            assert answer.url.path == "/admin/factor", "nothing opens without the second factor"
        assert (await accepted(office, link))[0] == 404
        (line,) = [one for one in await office.audit("staff.created") if one.subject == NEW]
        assert line.detail["invited_by"] == YAO
        assert link.rpartition("/")[2] not in str(await office.rig.rows("select * from invitations"))


async def test_a_weak_password_or_no_name_uses_nothing_up(office: Office) -> None:
    await invited(office)
    link = await link_in(office)
    for fields in ({"password": "short"}, {"password": "password1234"}, {"name": "  "}):
        assert (await accepted(office, link, **fields))[0] == 422
    client = await office.browser()
    async with client.post(
        link, data={"name": "X", "password": PASSWORD}, headers={"Sec-Fetch-Site": "cross-site"}
    ) as a:
        assert a.status == 403
    assert (await accepted(office, link))[0] == 200


@pytest.mark.parametrize(
    "over",
    [
        "update invitations set expires_at = now()",
        "update invitations set withdrawn_at = now()",
        f"update staff set active = false where email = '{YAO}'",
    ],
)
async def test_a_link_that_is_over_opens_nothing(office: Office, over: str) -> None:
    await invited(office)
    link = await link_in(office)
    async with office.rig.engine.begin() as connection:
        await connection.execute(text(over))
    client = await office.browser()
    async with client.get(link) as answer:
        assert answer.status == 404
    assert (await accepted(office, link))[0] == 404
    assert await office.access.sign_in.accounts.credentials(NEW) is None


async def test_an_invitation_is_sent_again_with_another_link_or_withdrawn(office: Office) -> None:
    held = await invited(office)
    first = await link_in(office)
    status, body = await call(office, YAO, "POST", f"{API}/invitations/{held}/resend")
    assert (status, body["email"]) == (200, NEW)
    second = await link_in(office)
    client = await office.browser()
    for link, status in ((first, 404), (second, 200)):
        async with client.get(link) as answer:
            assert answer.status == status
    await invited(office, role="support")
    async with client.get(second) as answer:
        assert answer.status == 404, "the next invitation takes the place of the first"
    status, body = await call(office, YAO, "GET", API)
    (line,) = body["invitations"]
    assert (line["email"], line["role"], line["organiser"]) == (NEW, "support", "demo")
    assert (await call(office, YAO, "DELETE", f"{API}/invitations/{line['id']}"))[0] == 200
    assert (await call(office, YAO, "DELETE", f"{API}/invitations/{line['id']}"))[0] == 404
    assert (await call(office, YAO, "GET", API))[1]["invitations"] == []


async def test_nobody_gives_a_right_that_they_lack_nor_elsewhere(office: Office) -> None:
    await other_organiser(office.rig)
    await office.hire(ALI, Role.MANAGER, "demo")
    await office.hire(SITA, Role.ADMINISTRATOR)
    asked = [
        (ALI, {"role": "moderator"}, 201),
        (ALI, {"role": "manager"}, 403),
        (ALI, {"role": "owner"}, 403),
        (ALI, {"role": "finance"}, 403),
        (YAO, {"role": "owner"}, 201),
        (YAO, {"role": "administrator"}, 403),
        (YAO, {"role": "support", "organiser": "other"}, 422),
        (YAO, {"role": "auditor", "contest": "star"}, 201),
        (YAO, {"role": "auditor", "contest": "none"}, 422),
        (YAO, {"role": "support", "contest": "star"}, 422),
        (SITA, {"role": "owner"}, 403),
        (SITA, {"role": "finance"}, 403),
        (SITA, {"role": "moderator", "organiser": "other"}, 201),
        (AWA, {"role": "owner"}, 201),
        (AWA, {"role": "manager"}, 403),
    ]
    for who, given, status in asked:
        answer = await call(office, who, "POST", f"{API}/invitations", json={"email": NEW, **given})
        assert answer[0] == status, (who, given, answer)
    for email, status in (("no address", 422), (YAO, 409)):
        body = {"email": email, "role": "support"}
        assert (await call(office, YAO, "POST", f"{API}/invitations", json=body))[0] == status
    assert (await call(office, YAO, "POST", f"{API}/invitations", json={"email": NEW, "role": "king"}))[0] == 422


async def test_a_role_changes_at_once_and_ending_ends_sessions(office: Office) -> None:
    await office.hire(ALI, Role.SUPPORT, "demo")
    person = str(await office.rig.one("select id from staff where email = :email", email=ALI))
    client = await office.signed_in(ALI)
    async with client.get("/admin/people") as answer:
        assert answer.status == 403
    status, body = await call(office, YAO, "PATCH", f"{API}/{person}", json={"role": "manager"})
    assert (status, body["role"]) == (200, "manager")
    async with client.get("/admin/people") as answer:
        assert answer.status == 200
    home = await office.signed_in(YAO)
    assert (await office.form(home, "/admin/people", f"/admin/people/{person}", step="end"))[0] == 200
    async with client.get("/admin/people") as answer:
        assert answer.url.path == "/admin/sign-in"
    assert (await office.form(home, "/admin/people", f"/admin/people/{person}", step="open"))[0] == 200
    assert [line.subject for line in await office.audit("staff.enabled")] == [ALI]
    form = {"step": "role", "role": "auditor", "contest": "star"}
    assert (await office.form(home, "/admin/people", f"/admin/people/{person}", **form))[0] == 200
    (line,) = [one for one in (await call(office, YAO, "GET", API))[1]["people"] if one["email"] == ALI]
    assert (line["role"], line["contest"], line["active"]) == ("auditor", "star", True)
    assert [one.contest_id for one in await office.audit("staff.role_changed")] == [None, office.rig.contest.id]
    async with home.get("/admin/contests/star/log") as answer:
        assert "Rôle d'un auditeur changé" in html.unescape(await answer.text())


async def test_who_may_not_change_somebody_changes_nothing(office: Office) -> None:
    await other_organiser(office.rig)
    await office.hire(ALI, Role.MANAGER, "demo")
    await office.hire(SITA, Role.OWNER, "other")
    ids = {row.email: str(row.id) for row in await office.rig.rows("select id, email from staff")}
    before = await office.rig.rows("select email, role, active from staff order by email")
    for who, whom, given, status in (
        (ALI, YAO, {"active": False}, 403),
        (ALI, ALI, {"role": "owner"}, 403),
        (YAO, YAO, {"active": False}, 403),
        (YAO, SITA, {"active": False}, 404),
        (YAO, AWA, {"role": "support"}, 404),
        (YAO, ALI, {"role": "administrator"}, 403),
        (YAO, ALI, {"role": "support", "contest": "star"}, 422),
        (YAO, ALI, {"organiser_id": ids[AWA]}, 422),
    ):
        assert (await call(office, who, "PATCH", f"{API}/{ids[whom]}", json=given))[0] == status, (who, whom, given)
    client = await office.signed_in(YAO)
    for person in ("x", ids[SITA]):
        assert (await office.form(client, "/admin/people", f"/admin/people/{person}", step="end"))[0] == 404
    assert await office.rig.rows("select email, role, active from staff order by email") == before
    seen = {one["email"] for one in (await call(office, YAO, "GET", API))[1]["people"]}
    assert seen == {YAO, ALI}


async def test_the_platform_makes_an_organiser_whose_owner_is_invited(office: Office) -> None:
    await office.hire(SITA, Role.ADMINISTRATOR)
    client = await office.signed_in(SITA)
    form = {"step": "make", "slug": "etoiles", "name": " Étoiles  du Sud ", "owner": NEW, "language": "fr"}
    status, page = await office.form(client, "/admin/organisers", **form)
    assert (status, "Étoiles du Sud" in page) == (200, True)
    assert re.search(rf'<a class="plain break" href="/admin/people">{NEW}</a>', page), "who is invited already"
    link = await link_in(office)
    assert (await accepted(office, link))[0] == 200
    status, body = await call(office, NEW, "GET", "/api/admin/me")
    assert body["role"] == "owner"
    _, body = await call(office, SITA, "GET", "/api/admin/organisers")
    assert {one["slug"]: one["owners"] for one in body["organisers"]} == {"demo": [YAO], "etoiles": [NEW]}
    _, body = await call(office, NEW, "GET", "/api/admin/organisers")
    assert [one["slug"] for one in body["organisers"]] == ["etoiles"]
    for more, status in (
        ({"slug": "etoiles"}, 409),
        ({"slug": "É"}, 422),
        ({"name": " "}, 422),
        ({"ownerEmail": "x"}, 422),
    ):
        given = {"slug": "another", "name": "Another", "ownerEmail": ALI, **more}
        assert (await call(office, SITA, "POST", "/api/admin/organisers", json=given))[0] == status, more
    assert (await office.form(client, "/admin/organisers", step="owner", slug="etoiles", owner=ALI))[0] == 422
    await other_organiser(office.rig)
    assert (await office.form(client, "/admin/organisers", step="owner", slug="other", owner=ALI))[0] == 200
    assert (await office.mails(ALI))[0].params["organiser"] == "Another one"


async def test_without_mail_the_inviter_is_shown_the_link(database: Any) -> None:
    async with open_office(database.app_url, mail=False) as office:
        await office.hire(YAO, Role.OWNER, "demo")
        client = await office.signed_in(YAO)
        _, page = await office.form(
            client, "/admin/people", "/admin/people/invitations", email=NEW, role="support", language="fr"
        )
        link = re.search(r"<code>(/admin/invitation/[\w-]+)</code>", page)
        assert link is not None
        assert (await accepted(office, link[1]))[0] == 200
        body = {"email": ALI, "role": "support"}
        status, made = await call(office, YAO, "POST", f"{API}/invitations", json=body)
        assert (status, made["mailed"], made["link"][:18]) == (201, False, "/admin/invitation/")
        async with client.post("/admin/reset", data={"email": YAO}) as answer:
            assert "asked" not in str(answer.url)
        assert await office.rig.rows("select 1 from password_resets") == []
        assert await office.mails() == []


async def asked_reset(office: Office, email: str) -> tuple[int, str]:
    client = await office.browser()
    async with client.post("/admin/reset", data={"email": email}) as answer:
        return answer.status, (await answer.text()).replace(email, "")


async def test_a_lost_password_is_replaced_and_all_sessions_end(office: Office) -> None:
    secret = await office.set_up_factor(YAO)
    home = await office.signed_in(YAO, code=office.code(secret))
    known, unknown = await asked_reset(office, YAO), await asked_reset(office, "nobody@house.test")
    assert known == unknown
    assert known[0] == 200
    (mail,) = [mail for mail in await office.mails() if mail.kind == "reset"]
    assert mail.to == YAO
    link = mail.params["link"]
    client = await office.browser()
    async with client.get(link) as answer:
        assert (answer.status, answer.headers["Referrer-Policy"]) == (200, "no-referrer")
    async with client.post(link, data={"password": "short"}) as answer:
        assert answer.status == 422
    async with client.post(link, data={"password": ANOTHER}) as answer:
        assert (answer.status, answer.url.path) == (200, "/admin/sign-in")
    async with client.post(link, data={"password": ANOTHER}) as answer:
        assert answer.status == 404
    async with home.get("/admin") as answer:
        assert answer.url.path == "/admin/sign-in"
    office.ahead = timedelta(seconds=60)
    for code, status in (("", 401), (office.code(secret), 200)):
        async with client.post("/api/auth/login", json={"email": YAO, "password": ANOTHER, "code": code}) as answer:
            assert answer.status == status, "the second factor stays"
    assert [one.kind for one in await office.mails(YAO)] == [
        "factor_changed",
        "reset",
        "password_changed",
    ]
    assert link.rpartition("/")[2] not in str(await office.rig.rows("select * from password_resets"))


@pytest.mark.parametrize("email", [YAO, "nobody@house.test"])
async def test_only_some_resets_are_sent(office: Office, email: str) -> None:
    for _ in range(FREE_TRIES):
        assert (await asked_reset(office, email))[0] == 200
    assert (await asked_reset(office, email))[0] == 429
    assert (await asked_reset(office, AWA))[0] == 200
    assert len(await office.mails(YAO)) == (FREE_TRIES if email == YAO else 0)


async def test_a_link_to_a_password_that_is_over_opens_nothing(office: Office) -> None:
    await asked_reset(office, YAO)
    await asked_reset(office, YAO)
    first, second = [mail.params["link"] for mail in await office.mails(YAO)]
    client = await office.browser()
    async with client.post(first, data={"password": ANOTHER}) as answer:
        assert answer.status == 200
    async with client.get(second) as answer:
        assert answer.status == 404, "one that is used takes the others with it"
    await asked_reset(office, YAO)
    async with office.rig.engine.begin() as connection:
        await connection.execute(text("update password_resets set expires_at = now()"))
    third = (await office.mails(YAO))[-1].params["link"]
    for link in (third, "/admin/reset/x", "/admin/invitation/x", "/admin/reset/%00"):
        async with client.get(link) as answer:
            assert answer.status == 404
        async with client.post(link, data={"password": ANOTHER, "name": "x"}) as answer:
            assert answer.status == 404


async def test_the_database_keeps_organisers_people_apart_without_the_statements_scope(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await other_organiser(office.rig)
    await office.hire(SITA, Role.OWNER, "other")
    await invited(office, by=SITA)
    scope = await office.rig.one("select organiser_id from staff where email = :email", email=YAO)
    for name in ("_LISTED", "_OPEN"):
        unlimited = getattr(store, name).text.replace("cast(:scope as uuid) is null or", "true or")
        assert unlimited != getattr(store, name).text
        monkeypatch.setattr(store, name, text(unlimited))
    assert [line.email for line in await office.people.people(scope)] == [YAO]
    assert await office.people.invitations(scope) == []
    assert {line.email for line in await office.people.people(None)} == {AWA, YAO, SITA}


async def test_asking_for_a_password_is_the_same_work_with_and_without_an_account(office: Office) -> None:
    async def work(email: str) -> list[str]:
        done: list[str] = []

        def note(_: object, __: object, statement: str, *___: object) -> None:
            done.append(statement)

        event.listen(office.rig.engine.sync_engine, "before_cursor_execute", note)
        assert (await asked_reset(office, email))[0] == 200
        event.remove(office.rig.engine.sync_engine, "before_cursor_execute", note)
        return done

    known, unknown = await work(YAO), await work("nobody@house.test")
    assert known == unknown
    assert any("password_resets" in statement for statement in unknown)
    assert [mail.to for mail in await office.mails()] == [YAO]
