"""Signing in by the API and by the page: what opens, what stays shut, and what is remembered."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from statistics import median
from typing import Any

import jwt
import pytest
from sqlalchemy import text

from admin.access.auth_api import OTHER_TAB_SECONDS
from admin.access.rules import FREE_TRIES, TWO_TABS
from tests.admin.back_office import PASSWORD, SAME_ORIGIN, Office, open_office

AWA = "awa@house.test"
WRONG = "not her password at all"
LOGIN = "/api/auth/login"


@pytest.fixture
async def office(database: Any) -> AsyncIterator[Office]:
    async with open_office(database.app_url) as opened:
        await opened.hire(AWA)
        yield opened


async def tried(office: Office, password: str = WRONG, email: str = AWA, **more: str) -> tuple[int, dict[str, Any]]:
    client = await office.browser()
    async with client.post(LOGIN, json={"email": email, "password": password, **more}) as answer:
        return answer.status, await answer.json()


async def test_a_program_signs_in_renews_and_signs_out(office: Office) -> None:
    client = await office.browser()
    async with client.post(LOGIN, json={"email": " AWA@house.test ", "password": PASSWORD}) as answer:
        body = await answer.json()
        assert answer.status == 200
    client.cookie_jar.clear()
    assert body["tokenType"] == "Bearer"
    assert body["expiresIn"] == 900
    assert body["person"]["email"] == AWA
    bearer = {"Authorization": f"Bearer {body['accessToken']}"}
    async with client.get("/api/admin/me", headers=bearer) as answer:
        assert (await answer.json())["role"] == "owner"
    async with client.post("/api/auth/refresh", json={"refreshToken": body["refreshToken"]}) as answer:
        renewed = await answer.json()
        assert answer.status == 200
    client.cookie_jar.clear()
    assert renewed["refreshToken"] != body["refreshToken"]
    async with client.post("/api/auth/logout", headers=bearer) as answer:
        assert (await answer.json()) == {"signedOut": True}
    for token in (body["accessToken"], renewed["accessToken"]):
        async with client.get("/api/admin/me", headers={"Authorization": f"Bearer {token}"}) as answer:
            assert answer.status == 401
            assert answer.content_type == "application/problem+json"
    async with client.post("/api/auth/refresh", json={"refreshToken": renewed["refreshToken"]}) as answer:
        assert answer.status == 401
    async with client.post("/api/auth/logout") as answer:
        assert (await answer.json()) == {"signedOut": False}


async def test_a_token_lasts_a_quarter_of_an_hour_and_is_of_one_kind(office: Office) -> None:
    token = await office.token(AWA)
    client = await office.browser()
    key = office.rig.vault.subkey("staff tokens")
    claims = jwt.decode(token, key, algorithms=["HS256"], audience="spotlight-admin")
    assert "role" not in claims
    forged = jwt.encode(claims, "another key of the right length, 32", algorithm="HS256")
    unsigned = jwt.encode(claims, "", algorithm="none")
    device = office.access.tokens.device(AWA)
    for bad in (forged, unsigned, device, "x", ""):
        async with client.get("/api/admin/me", headers={"Authorization": f"Bearer {bad}"}) as answer:
            assert answer.status == 401
    async with client.get("/api/admin/me", headers={"Authorization": f"Bearer {token}"}) as answer:
        assert answer.status == 200
    office.ahead = timedelta(minutes=15)
    async with client.get("/api/admin/me", headers={"Authorization": f"Bearer {token}"}) as answer:
        assert answer.status == 401


async def test_who_does_not_know_the_password_learns_nothing(office: Office) -> None:
    secret = await office.set_up_factor(await office.hire("yao@house.test"))
    await office.hire("gone@house.test")
    await office.access.sign_in.accounts.set_active("gone@house.test", False, "test")
    answers = [
        await tried(office),
        await tried(office, PASSWORD, "unknown@house.test"),
        await tried(office, PASSWORD, "gone@house.test"),
        await tried(office, WRONG, "yao@house.test"),
        await tried(office, WRONG, "yao@house.test", code="000000"),
        await tried(office, WRONG, "yao@house.test", code=office.code(secret)),
        await tried(office, PASSWORD, ""),
    ]
    assert {status for status, _ in answers} == {401}
    assert {problem["type"] for _, problem in answers} == {"/problems/sign_in_refused"}
    assert len({problem["detail"] for _, problem in answers}) == 1


async def test_who_knows_it_is_told_that_the_second_factor_is_missing_or_wrong(office: Office) -> None:
    await office.set_up_factor(AWA)
    for code, kind in (
        ("", "second_factor_missing"),
        ("  ", "second_factor_missing"),
        ("000000", "second_factor_refused"),
    ):
        status, problem = await tried(office, PASSWORD, code=code)
        assert (status, problem["type"]) == (401, f"/problems/{kind}")
    for _ in range(FREE_TRIES - 1):
        assert (await tried(office, PASSWORD, code="000000"))[0] == 401
    assert (await tried(office, PASSWORD, code="000000"))[0] == 429, "wrong codes count"
    assert (await tried(office, PASSWORD))[0] == 429


async def test_an_unknown_address_takes_as_long_as_a_wrong_password(real_passwords: None, office: Office) -> None:
    async def seconds(email: str) -> float:
        began = time.perf_counter()
        opened = await office.access.sign_in._passwords.fits(WRONG, hashes[email])
        assert not opened
        return time.perf_counter() - began

    found = await office.access.sign_in.accounts.credentials(AWA)
    assert found is not None
    hashes = {AWA: found.password_hash, "unknown@house.test": None}
    await seconds(AWA)
    known = median([await seconds(AWA) for _ in range(9)])
    unknown = median([await seconds("unknown@house.test") for _ in range(9)])
    assert 0.5 < unknown / known < 2


@pytest.mark.parametrize("email", [AWA, "unknown@house.test"])
async def test_after_some_failures_an_account_waits_and_no_other(office: Office, email: str) -> None:
    await office.hire("yao@house.test")
    for _ in range(FREE_TRIES):
        assert (await tried(office, email=email))[0] == 401
    client = await office.browser()
    async with client.post(LOGIN, json={"email": email, "password": PASSWORD}) as answer:
        assert answer.status == 429
        assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert (await tried(office, PASSWORD, "yao@house.test"))[0] == 200
    office.ahead = timedelta(seconds=61)
    assert (await tried(office, PASSWORD, email))[0] == (200 if email == AWA else 401)


async def test_a_known_browser_cannot_be_locked_out(office: Office) -> None:
    home = await office.signed_in(AWA)
    for _ in range(FREE_TRIES):
        await tried(office)
    assert (await tried(office, PASSWORD))[0] == 429
    async with home.post(LOGIN, json={"email": AWA, "password": PASSWORD}) as answer:
        assert answer.status == 200
    for _ in range(FREE_TRIES):
        async with home.post(LOGIN, json={"email": AWA, "password": WRONG}) as answer:
            assert answer.status == 401
    async with home.post(LOGIN, json={"email": AWA, "password": PASSWORD}) as answer:
        assert answer.status == 429


async def test_an_address_waits_where_it_counts(database: Any) -> None:
    async with open_office(database.app_url) as office:
        object.__setattr__(office.access, "loopback_counts", True)
        await office.hire(AWA)
        for number in range(FREE_TRIES):
            assert (await tried(office, email=f"guess{number}@house.test"))[0] == 401
        assert (await tried(office, PASSWORD))[0] == 429
        rows = await office.rig.rows("select encode(subject, 'escape') as subject from sign_in_failures")
        assert rows
        assert not any("house.test" in row.subject or "127.0.0.1" in row.subject for row in rows)


async def test_failures_of_an_hour_ago_are_forgotten(office: Office) -> None:
    for _ in range(FREE_TRIES - 1):
        assert (await tried(office))[0] == 401
    async with office.rig.engine.begin() as connection:
        await connection.execute(text("update sign_in_failures set last_at = now() - interval '1 hour'"))
    assert (await tried(office))[0] == 401
    assert {row.failures for row in await office.rig.rows("select failures from sign_in_failures")} == {1}


async def test_a_code_opens_once(office: Office) -> None:
    secret = await office.set_up_factor(AWA)
    code = office.code(secret)
    assert (await tried(office, PASSWORD, code=code))[0] == 200
    assert (await tried(office, PASSWORD, code=code))[0] == 401
    office.ahead = timedelta(seconds=30)
    assert (await tried(office, PASSWORD, code=office.code(secret)))[0] == 200
    sealed = await office.rig.one("select totp_cipher from staff where email = :email", email=AWA)
    assert secret.encode() not in bytes(sealed)


async def test_a_stolen_refresh_token_ends_the_session_and_is_recorded(office: Office) -> None:
    client = await office.browser()
    async with client.post(LOGIN, json={"email": AWA, "password": PASSWORD}) as answer:
        first = (await answer.json())["refreshToken"]
    client.cookie_jar.clear()
    async with client.post("/api/auth/refresh", json={"refreshToken": first}) as answer:
        second = await answer.json()
    client.cookie_jar.clear()
    async with client.post("/api/auth/refresh", json={"refreshToken": first}) as answer:
        assert answer.status == 409, "two tabs of one browser"
    thief = await office.browser(**{"User-Agent": "another browser"})
    async with thief.post("/api/auth/refresh", json={"refreshToken": first}) as answer:
        assert answer.status == 401
    async with client.post("/api/auth/refresh", json={"refreshToken": second["refreshToken"]}) as answer:
        assert answer.status == 401
    async with client.get("/api/admin/me", headers={"Authorization": f"Bearer {second['accessToken']}"}) as answer:
        assert answer.status == 401
    (line,) = await office.audit("staff.token_reused")
    assert line.actor == AWA
    assert line.detail["agent"] == "another browser"
    assert first not in str(await office.rig.rows("select * from staff_sessions"))


async def test_a_browser_whose_other_tab_renews_waits_before_it_comes_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        await real(0)

    client = await office.browser()
    async with client.post(LOGIN, json={"email": AWA, "password": PASSWORD}) as answer:
        first = (await answer.json())["refreshToken"]
    client.cookie_jar.clear()
    async with client.post("/api/auth/refresh", json={"refreshToken": first}) as answer:
        assert answer.status == 200
    client.cookie_jar.clear()
    monkeypatch.setattr("admin.access.auth_api.asyncio.sleep", sleep)
    shown = {"Cookie": f"spotlight-refresh={first}"}
    async with client.get("/api/auth/continue?next=/admin", headers=shown, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (307, "/admin")
    # Twenty redirections, two a round, last longer than a token may come again.
    assert OTHER_TAB_SECONDS in waited
    assert TWO_TABS.total_seconds() < 10 * OTHER_TAB_SECONDS


async def test_a_session_that_is_over_is_not_renewed(office: Office) -> None:
    client = await office.browser()
    async with client.post(LOGIN, json={"email": AWA, "password": PASSWORD}) as answer:
        token = (await answer.json())["refreshToken"]
    client.cookie_jar.clear()
    async with office.rig.engine.begin() as connection:
        await connection.execute(text("update staff_sessions set created_at = now() - interval '29 days 12 hours'"))
    async with client.post("/api/auth/refresh", json={"refreshToken": token}) as answer:
        renewed = (await answer.json())["refreshToken"]
    left = await office.rig.one("select max(expires_at) - now() from staff_sessions where used_at is null")
    assert left <= timedelta(hours=12)
    client.cookie_jar.clear()
    async with office.rig.engine.begin() as connection:
        await connection.execute(text("update staff_sessions set expires_at = now()"))
    async with client.post("/api/auth/refresh", json={"refreshToken": renewed}) as answer:
        assert answer.status == 401


async def test_who_is_shut_out_is_out_at_once(office: Office) -> None:
    client, token = await office.browser(), await office.token(AWA)
    await office.access.sign_in.accounts.set_active(AWA, False, "test")
    async with client.get("/api/admin/me", headers={"Authorization": f"Bearer {token}"}) as answer:
        assert answer.status == 401
    assert (await tried(office, PASSWORD))[0] == 401


async def test_cookies_are_out_of_reach(database: Any) -> None:
    async with open_office(database.app_url, secure=True) as office:
        await office.hire(AWA)
        client = await office.browser()
        async with client.post(LOGIN, json={"email": AWA, "password": PASSWORD}) as answer:
            cookies = answer.cookies
        assert set(cookies) == {"__Host-spotlight-access", "__Secure-spotlight-refresh", "__Host-spotlight-device"}
        for cookie in cookies.values():
            assert cookie["httponly"]
            assert cookie["secure"]
            assert cookie["samesite"] == "Strict"
            assert not cookie["domain"]
        assert cookies["__Secure-spotlight-refresh"]["path"] == "/api/auth"
        assert cookies["__Host-spotlight-access"]["path"] == "/"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({}, 200),
        (SAME_ORIGIN, 200),
    ],
)
async def test_no_other_site_signs_anybody_in(office: Office, headers: dict[str, str], status: int) -> None:
    client = await office.browser()
    client.headers.clear()
    async with client.post(LOGIN, json={"email": AWA, "password": PASSWORD}, headers=headers) as answer:
        assert answer.status == status
    async with client.post(LOGIN, data={"email": AWA, "password": PASSWORD}, headers=headers) as answer:
        assert answer.status == (403 if status == 403 else 415)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"email": "a"}', b'{"email": 1, "password": 2}', b"\xff"])
async def test_odd_bodies_are_answered_and_never_an_error_of_ours(office: Office, body: bytes) -> None:
    client = await office.browser()
    for path in (LOGIN, "/api/auth/refresh", "/api/auth/logout", "/api/auth/confirm"):
        async with client.post(path, data=body, headers={"Content-Type": "application/json"}) as answer:
            assert answer.status in (200, 400, 401, 422), (path, await answer.text())


async def test_the_page_signs_in_and_goes_where_it_was_wanted(office: Office) -> None:
    client = await office.browser()
    async with client.get("/admin/refunds?all=1") as answer:
        assert answer.url.path == "/admin/sign-in"
        assert answer.url.query["next"] == "/admin/refunds?all=1"
    fields = {"email": AWA, "password": WRONG, "next": "/admin/refunds?all=1"}
    async with client.post("/admin/sign-in", data=fields) as answer:
        assert answer.status == 401
        assert WRONG not in await answer.text()
    async with client.post("/admin/sign-in", data={**fields, "password": PASSWORD}) as answer:
        assert answer.status == 200
        assert str(answer.url.path_qs) == "/admin/refunds?all=1"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    (line,) = await office.audit("staff.signed_in")
    assert line.actor == AWA


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/admin",
        "//evil.example/admin",
        "/admin\\@evil.example",
        "/administer",
        "javascript:alert(1)",
    ],
)
async def test_signing_in_never_redirects_to_another_site(office: Office, elsewhere: str) -> None:
    client = await office.browser()
    fields = {"email": AWA, "password": PASSWORD, "next": elsewhere}
    async with client.post("/admin/sign-in", data=fields, allow_redirects=False) as answer:
        assert answer.headers["Location"] == "/admin"


async def test_a_page_goes_on_when_its_token_is_over_with_what_it_posted(office: Office) -> None:
    client = await office.signed_in(AWA)
    order = await office.rig.counted()
    office.ahead = timedelta(minutes=20)
    async with client.get("/admin") as answer:
        assert (answer.status, answer.url.path) == (200, "/admin")
    office.ahead = timedelta(minutes=40)
    status, page = await office.form(client, "/admin/search", q="0501020304")
    assert status == 200
    assert str(order.vote_id) in page
    office.ahead = timedelta(minutes=60)
    client.cookie_jar.clear()
    async with client.get("/admin") as answer:
        assert answer.url.path == "/admin/sign-in"


async def test_a_form_outlives_its_access_token(office: Office) -> None:
    client = await office.signed_in(AWA)
    async with client.get("/admin/search") as shown:
        word = (await shown.text()).split('name="form" value="')[1].split('"')[0]
    office.ahead = timedelta(minutes=20)
    async with client.post("/admin/search", data={"form": word, "q": "HELLO"}) as answer:
        assert answer.status == 200
        assert answer.url.path == "/admin/search"
        assert 'value="HELLO"' in await answer.text()


async def test_a_link_from_elsewhere_comes_again_by_itself(office: Office) -> None:
    client = await office.browser()
    async with client.get("/admin", headers={"Sec-Fetch-Site": "cross-site"}, allow_redirects=False) as answer:
        assert answer.status == 200
        assert 'http-equiv="refresh"' in await answer.text()


async def test_outside_the_demo_nothing_opens_without_a_second_factor(database: Any) -> None:
    async with open_office(database.app_url, factor_wanted=True) as office:
        await office.hire(AWA)
        token = await office.token(AWA)
        client = await office.browser()
        async with client.get("/api/admin/waiting", headers={"Authorization": f"Bearer {token}"}) as answer:
            assert answer.status == 403
            assert (await answer.json())["type"] == "/problems/factor_wanted"
        browser = await office.signed_in(AWA)
        for path in ("/admin", "/admin/refunds", "/admin/ledger", "/admin/me"):
            async with browser.get(path) as answer:
                assert answer.url.path == "/admin/factor"
        status, page = await office.form(browser, "/admin/factor", step="begin")
        assert status == 200
        assert "<svg" in page
        found = await office.access.sign_in.accounts.credentials(AWA)
        assert found is not None
        assert found.totp_secret is not None
        assert (await office.form(browser, "/admin/factor", code="000000"))[0] == 422
        status, page = await office.form(browser, "/admin/factor", code=office.code(found.totp_secret))
        assert status == 200
        async with browser.get("/admin/refunds") as answer:
            assert answer.url.path == "/admin/refunds"
        async with client.get("/api/admin/waiting", headers={"Authorization": f"Bearer {token}"}) as answer:
            assert answer.status == 401, "all other sessions ended with the new factor"
        assert len(await office.audit("staff.factor_set")) == 1


async def test_my_sessions_and_my_password(office: Office) -> None:
    here, there = await office.signed_in(AWA), await office.signed_in(AWA)
    async with here.get("/admin/me") as shown:
        page = await shown.text()
    assert page.count('name="session"') == 2
    other = page.split('name="session" value="')[1].split('"')[0]
    await office.form(here, "/admin/me", session=other)
    async with there.get("/admin") as answer:
        assert answer.url.path == "/admin/sign-in"
    stranger = await office.signed_in(await office.hire("yao@house.test"))
    accounts = office.access.sign_in.accounts
    (mine,) = await accounts.sessions((await accounts.credentials(AWA)).member.id)  # type: ignore[union-attr]  # there
    await office.form(stranger, "/admin/me", session=str(mine.family))
    async with here.get("/admin") as answer:
        assert answer.url.path == "/admin", "no one ends another person's session"
    third = await office.signed_in(AWA)
    for current, new, status in (
        (WRONG, "quatre saisons de cacao", 422),
        (PASSWORD, "short", 422),
        (PASSWORD, "password1234", 422),
        (PASSWORD, "quatre saisons de cacao", 200),
    ):
        assert (await office.form(here, "/admin/me", current=current, new=new))[0] == status
    async with third.get("/admin") as answer:
        assert answer.url.path == "/admin/sign-in"
    assert (await tried(office, PASSWORD))[0] == 401
    assert (await tried(office, "quatre saisons de cacao"))[0] == 200


async def test_signing_out_is_a_form_of_ours(office: Office) -> None:
    client = await office.signed_in(AWA)
    async with client.post("/admin/sign-out", data={"form": "0" * 40}) as answer:
        assert answer.status == 403
    await office.form(client, "/admin", "/admin/sign-out")
    async with client.get("/admin") as answer:
        assert answer.url.path == "/admin/sign-in"
