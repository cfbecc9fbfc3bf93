"""What stands beside the codes of a phone: the second step, recovery codes, notices by mail."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import ClientSession

from admin.access.passkeys import NewKey, Site, site_of
from admin.access.rules import CODE_LETTERS, FREE_TRIES, RECOVERY_CODES, read_recovery_code
from tests.admin.back_office import PASSWORD, Office, open_office

AWA = "awa@house.test"
WRONG = "not her password at all"
LOGIN = "/api/auth/login"


@pytest.fixture
async def office(database: Any) -> AsyncIterator[Office]:
    async with open_office(database.app_url) as opened:
        await opened.hire(AWA)
        yield opened


async def codes_of(office: Office) -> list[str]:
    found = await office.access.sign_in.accounts.credentials(AWA)
    assert found is not None
    return await office.access.sign_in.factors.make_codes(found.member)


async def login(office: Office, code: str, password: str = PASSWORD, **headers: str) -> int:
    client = await office.browser(**headers)
    async with client.post(LOGIN, json={"email": AWA, "password": password, "code": code}) as answer:
        return answer.status


async def second_step(office: Office) -> tuple[ClientSession, str]:
    """A browser whose password was right, and the question of the second step."""
    client = await office.browser()
    async with client.post("/admin/sign-in", data={"email": AWA, "password": PASSWORD, "next": "/admin/me"}) as answer:
        page = await answer.text()
        assert answer.status == 401
    asked = re.search(r'name="asked" value="([^"]+)"', page)
    assert asked is not None
    assert PASSWORD not in page
    return client, asked[1]


async def test_the_second_step_wants_no_password_again(office: Office) -> None:
    secret = await office.set_up_factor(AWA)
    client, asked = await second_step(office)
    fields = {"step": "factor", "asked": asked, "next": "/admin/me"}
    async with client.post("/admin/sign-in", data={**fields, "code": "000000"}) as answer:
        assert answer.status == 401
        assert 'name="asked"' in await answer.text()
    async with client.post("/admin/sign-in", data={**fields, "code": office.code(secret)}) as answer:
        assert (answer.status, answer.url.path) == (200, "/admin/me")


async def test_the_question_of_a_second_step_is_no_password_for_long(office: Office) -> None:
    secret = await office.set_up_factor(AWA)
    client, asked = await second_step(office)
    fields = {"step": "factor", "asked": asked}
    for bad in (asked[:-4] + "AAAA", office.access.tokens.device(AWA), ""):
        code = office.code(secret)
        async with client.post("/admin/sign-in", data={**fields, "asked": bad, "code": code}) as answer:
            assert answer.status == 200, "the first page again"
            assert 'name="password"' in await answer.text()
    signed_in_question, _ = office.access.tokens.ask(AWA)
    async with client.post("/admin/sign-in", data={**fields, "asked": signed_in_question, "code": "1"}) as answer:
        assert answer.status == 401
        assert 'name="password"' in await answer.text()
    office.ahead = timedelta(minutes=5)
    async with client.post("/admin/sign-in", data={**fields, "code": office.code(secret)}) as answer:
        assert 'name="password"' in await answer.text()
    office.ahead = timedelta()
    found = await office.access.sign_in.accounts.credentials(AWA)
    assert found is not None
    other = await office.access.sign_in.hashed("quatre saisons de cacao")
    await office.access.sign_in.accounts.set_password(found.member.id, other, AWA)
    async with client.post("/admin/sign-in", data={**fields, "code": office.code(secret)}) as answer:
        assert answer.status == 401, "it was another password that was right"


async def test_each_recovery_code_opens_once(office: Office) -> None:
    await office.set_up_factor(AWA)
    codes = await codes_of(office)
    assert len(set(codes)) == RECOVERY_CODES
    assert await login(office, codes[0].upper().replace("-", " ")) == 200
    assert await login(office, codes[0]) == 401
    assert await login(office, codes[1], WRONG) == 401
    assert await login(office, codes[1]) == 200
    client = await office.signed_in(AWA, code=codes[2])
    async with client.get("/admin/me") as shown:
        assert "7 sur 10" in await shown.text()
    status, page = await office.form(client, "/admin/me", "/admin/me/codes")
    assert status == 200
    fresh = re.findall(r"<code>([a-z0-9-]{29})</code>", page)
    assert len(fresh) == RECOVERY_CODES
    assert await login(office, codes[3]) == 401, "the old ones are gone"
    assert await login(office, fresh[0]) == 200
    kept = str(await office.rig.rows("select * from recovery_codes"))
    assert not any(code.replace("-", "") in kept for code in (*codes, *fresh))
    assert {mail.params.get("what") for mail in await office.mails(AWA)} >= {"codes_made", "code_used"}


async def test_codes_of_one_person_open_no_other_account(office: Office) -> None:
    await office.set_up_factor(AWA)
    await office.set_up_factor(await office.hire("yao@house.test"))
    found = await office.access.sign_in.accounts.credentials("yao@house.test")
    assert found is not None
    (code, *_) = await office.access.sign_in.factors.make_codes(found.member)
    assert await login(office, code) == 401


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("abcd-efgh-jkmn-pqrs-tuvw-xyz2", "abcdefghjkmnpqrstuvwxyz2"),
        (" ABCD efgh jkmn PQRS tuvw xyz2 ", "abcdefghjkmnpqrstuvwxyz2"),
        ("abcd-efgh-jkmn-pqrs-tuvw-xyz", None),
        ("abcd-efgh-jkmn-pqrs-tuvw-xyz0", None),
        ("123456", None),
        ("", None),
    ],
)
def test_a_recovery_code_is_read_as_it_is_written_down(typed: str, read: str | None) -> None:
    assert read_recovery_code(typed) == read


def test_recovery_codes_have_112_bits_or_more() -> None:
    assert len(CODE_LETTERS) ** 24 >= 2**112


async def test_the_first_factor_comes_with_recovery_codes(office: Office) -> None:
    client = await office.signed_in(AWA)
    _, page = await office.form(client, "/admin/factor", step="begin")
    found = await office.access.sign_in.accounts.credentials(AWA)
    assert found is not None
    assert found.totp_secret is not None
    # A phone cannot scan what it shows itself.
    assert re.search(rf'href="otpauth://totp/[^"]*secret={found.totp_secret}', page)
    _, page = await office.form(client, "/admin/factor", code=office.code(found.totp_secret))
    (code, *others) = re.findall(r"<code>([a-z0-9-]{29})</code>", page)
    assert f'href="data:text/plain;charset=utf-8,{"%0A".join([code, *others])}"' in page
    assert await login(office, code) == 200
    changed = [mail.params["what"] for mail in await office.mails(AWA) if mail.kind == "factor_changed"]
    assert changed == ["app_set", "code_used"], "one mail for the first factor with its codes"


async def test_what_happens_to_an_account_is_mailed_to_its_owner(office: Office) -> None:
    async def newest(kind: str) -> dict[str, str]:
        mails = [mail for mail in await office.mails(AWA) if mail.kind == kind]
        return dict(mails[-1].params) if mails else {}

    assert await login(office, "", **{"User-Agent": "home"}) == 200
    assert await newest("new_device") == {}, "the first sign-in of all"
    assert await login(office, "", **{"User-Agent": "home"}) == 200
    assert await newest("new_device") == {}
    assert await login(office, "", **{"User-Agent": "elsewhere"}) == 200
    assert (await newest("new_device"))["agent"] == "elsewhere"
    for _ in range(FREE_TRIES + 3):
        await login(office, "", WRONG)
    mails = [mail for mail in await office.mails(AWA) if mail.kind == "locked"]
    assert len(mails) == 1, "once, when it begins to wait"
    await office.access.sign_in.accounts.reset_factor(AWA, "cli:test")
    assert (await newest("factor_changed"))["what"] == "taken_away"


async def test_a_browser_that_is_known_by_its_cookie_is_no_news(office: Office) -> None:
    home = await office.signed_in(AWA)
    again = {"email": AWA, "password": PASSWORD}
    async with home.post("/admin/sign-in", data=again, headers={"User-Agent": "updated"}) as answer:
        assert answer.status == 200
    assert await office.mails(AWA) == []


async def test_a_stolen_token_is_mailed_to_its_owner(office: Office) -> None:
    client = await office.browser()
    async with client.post(LOGIN, json={"email": AWA, "password": PASSWORD}) as answer:
        first = (await answer.json())["refreshToken"]
    client.cookie_jar.clear()
    async with client.post("/api/auth/refresh", json={"refreshToken": first}) as answer:
        assert answer.status == 200
    thief = await office.browser(**{"User-Agent": "thief"})
    async with thief.post("/api/auth/refresh", json={"refreshToken": first}) as answer:
        assert answer.status == 401
    (mail,) = await office.mails(AWA)
    assert (mail.kind, mail.params["agent"]) == ("token_reused", "thief")


@pytest.mark.parametrize(
    ("address", "site"),
    [
        ("https://vote.example.org", Site("vote.example.org", "https://vote.example.org")),
        ("http://127.0.0.1:8080", Site("localhost", "http://localhost:8080")),
        ("http://[::1]:8080", Site("localhost", "http://localhost:8080")),
        ("http://localhost:8080", Site("localhost", "http://localhost:8080")),
    ],
)
def test_passkeys_belong_to_the_host_of_our_pages(address: str, site: Site) -> None:
    assert site_of(address) == site


async def test_a_passkey_is_removed_by_its_person_and_never_the_last_factor(office: Office) -> None:
    factors, accounts = office.access.sign_in.factors, office.access.sign_in.accounts
    await office.hire("yao@house.test")
    people = {}
    for number, email in enumerate((AWA, "yao@house.test")):
        found = await accounts.credentials(email)
        assert found is not None
        people[email] = found.member
        key = NewKey(bytes([number]), b"key", 0)
        assert await factors.add_passkey(found.member, key, "  a  phone ", uuid4())
        assert not await factors.add_passkey(found.member, key, "again", uuid4()), "it is known"
    (mine,) = await factors.passkeys(people[AWA].id)
    (theirs,) = await factors.passkeys(people["yao@house.test"].id)
    assert mine.name == "a phone"
    (code, *_) = await codes_of(office)
    client = await office.signed_in(AWA, code=code)
    for passkey in (theirs.id, mine.id, "x"):
        status, _ = await office.form(client, "/admin/me", f"/admin/me/passkeys/{passkey}")
        assert status in (404, 409)
    await office.set_up_factor(AWA)
    there = await office.token(AWA, code=(await codes_of(office))[0])
    assert (await office.form(client, "/admin/me", f"/admin/me/passkeys/{mine.id}"))[0] == 200
    assert await factors.passkeys(people[AWA].id) == []
    assert len(await factors.passkeys(people["yao@house.test"].id)) == 1
    async with client.get("/api/admin/me", headers={"Authorization": f"Bearer {there}"}) as answer:
        assert answer.status == 401, "all other sessions end with a factor"


async def test_a_factor_that_is_taken_away_takes_codes_and_passkeys_with_it(office: Office) -> None:
    await office.set_up_factor(AWA)
    (code, *_) = await codes_of(office)
    member = await office.access.sign_in.accounts.reset_factor(AWA, "cli:test")
    assert not member.has_factor
    assert await office.rig.rows("select 1 from recovery_codes union all select 1 from passkeys") == []
    await office.set_up_factor(AWA)
    assert await login(office, code) == 401
