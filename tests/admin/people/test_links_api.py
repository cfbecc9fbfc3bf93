"""Links of mails by the API: an invitation accepted, a lost password replaced."""

from typing import Any

import pytest

from admin.access.rules import FREE_TRIES
from tests.admin.back_office import PASSWORD, Office
from tests.admin.people.test_people import ANOTHER, NEW, YAO, invited, link_in
from tests.admin.people.test_people import office as office

ELSEWHERE = {"Sec-Fetch-Site": "cross-site"}
FIELDS = {"name": "Nouvelle Personne", "password": PASSWORD}


async def asked(office: Office, method: str, address: str, **sent: Any) -> tuple[int, Any]:
    client = await office.browser()
    async with client.request(method, address, **sent) as answer:
        return answer.status, await answer.json()


async def test_an_invitation_is_read_and_accepted_once(office: Office) -> None:
    await invited(office)
    link = f"/api/invitations/{(await link_in(office)).rpartition('/')[2]}"
    status, body = await asked(office, "GET", link)
    assert (status, body["email"], body["role"], body["organiser"]) == (200, NEW, "manager", "demo")
    assert set(body) == {"email", "role", "organiser", "contest", "expiresAt"}
    for fields in ({"password": "short"}, {"password": "password1234"}, {"name": " "}, {"name": "a\0b"}):
        assert (await asked(office, "POST", link, json=FIELDS | fields))[0] == 422
    assert (await asked(office, "POST", link, json=FIELDS, headers=ELSEWHERE))[0] == 403
    client = await office.browser()
    async with client.post(link, json=FIELDS) as answer:
        assert answer.status == 201
        token = (await answer.json())["accessToken"]
    async with client.get("/api/admin/me") as answer:
        assert (await answer.json())["email"] == NEW, "its cookies are a session"
    status, body = await asked(office, "GET", "/api/admin/me", headers={"Authorization": f"Bearer {token}"})
    assert (status, body["email"]) == (200, NEW)
    for method in ("GET", "POST"):
        status, body = await asked(office, method, link, **({"json": FIELDS} if method == "POST" else {}))
        assert (status, body["type"]) == (404, "/problems/link_over")


async def test_a_lost_password_is_replaced(office: Office) -> None:
    home = await office.signed_in(YAO)
    known = await asked(office, "POST", "/api/auth/reset", json={"email": YAO})
    assert known == (202, {"asked": True})
    assert await asked(office, "POST", "/api/auth/reset", json={"email": "nobody@house.test"}) == known
    (mail,) = [mail for mail in await office.mails() if mail.kind == "reset"]
    link = f"/api/auth/reset/{mail.params['link'].rpartition('/')[2]}"
    status, body = await asked(office, "POST", link, json={"password": "short"})
    assert (status, body["errors"][0]["loc"]) == (422, ["body", "password"])
    assert (await asked(office, "POST", link, json={"password": ANOTHER}, headers=ELSEWHERE))[0] == 403
    assert await asked(office, "POST", link, json={"password": ANOTHER}) == (200, {"changed": True})
    assert (await asked(office, "POST", link, json={"password": ANOTHER}))[0] == 404
    async with home.get("/api/admin/me") as answer:
        assert answer.status == 401
    assert (await asked(office, "POST", "/api/auth/login", json={"email": YAO, "password": ANOTHER}))[0] == 200


@pytest.mark.parametrize("email", [YAO, "nobody@house.test"])
async def test_pages_and_api_share_one_limit(office: Office, email: str) -> None:
    client = await office.browser()
    for _ in range(FREE_TRIES):
        async with client.post("/admin/reset", data={"email": email}) as answer:
            assert answer.status == 200
    async with client.post("/api/auth/reset", json={"email": email}) as answer:
        assert answer.status == 429
        assert int(answer.headers["Retry-After"]) > 0
