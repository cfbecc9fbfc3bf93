"""The page of an organiser's fee plans."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from admin.access.rules import Role
from admin.mail.words import write
from tests.admin.back_office import Office, open_office

AWA, YAO, SITA = "awa@house.test", "yao@house.test", "sita@demo.test"
PAGE = "/admin/organisers/demo/fees"
FORM = {"currency": "XOF", "method": "CARD", "percent": "7,5", "fixed": "25", "minimum": "", "reason": "contract"}


@pytest.fixture
async def office(database: Any) -> AsyncIterator[Office]:
    async with open_office(database.app_url) as opened:
        await opened.hire(AWA)
        await opened.hire(YAO, Role.FINANCE)
        await opened.hire(SITA, Role.OWNER, "demo")
        yield opened


async def test_two_persons_change_our_share_and_its_organiser_reads_it(office: Office) -> None:
    yao, awa, sita = [await office.signed_in(person) for person in (YAO, AWA, SITA)]
    status, page = await office.form(yao, PAGE, **FORM)
    assert (status, "Carte" in page, "7,50 %" in page, "25\u00a0FCFA" in page) == (200, True, True, True)
    request = await office.rig.one("select id from staff_requests")
    status, page = await office.form(awa, f"/admin/requests/{request}", decision="approve")
    assert (status, "Cela vaut à partir du" in page) == (200, True)
    (mail,) = await office.mails()
    facts = {name: mail.params[name] for name in ("method", "percent", "fixed", "minimum", "by")}
    assert (mail.kind, mail.to) == ("fees", SITA)
    assert facts == {"method": "CARD", "percent": "7.50", "fixed": "25 FCFA", "minimum": "0 FCFA", "by": YAO}
    assert re.search(r"Moyen de paiement : Carte\n.*7,50 %", write(mail.kind, "fr", dict(mail.params)).text)
    async with sita.get(PAGE) as shown:
        page = await shown.text()
    assert re.search(r"Carte.*7,50 %.*25", page, re.DOTALL)
    assert "Demander une autre part" not in page
    async with sita.post(PAGE, data=FORM) as refused:
        assert refused.status == 403
    async with sita.get("/admin/organisers/nobody/fees") as unknown:
        assert unknown.status == 404


@pytest.mark.parametrize(
    ("field", "typed", "status"),
    [
        ("percent", "7.555", 422),
        ("percent", "100.01", 422),
        ("percent", "-1", 422),
        ("fixed", "many", 422),
        ("minimum", "1.5", 422),
        ("currency", "XXX", 422),
        ("method", "COWRIES", 409),
        ("valid_from", "2020-01-01T00:00", 409),
        ("valid_from", "soon", 409),
        ("reason", " ", 422),
    ],
)
async def test_odd_plans_are_refused(office: Office, field: str, typed: str, status: int) -> None:
    yao = await office.signed_in(YAO)
    assert (await office.form(yao, PAGE, **{**FORM, field: typed}))[0] == status
    assert await office.rig.one("select count(*) from staff_requests") == 0
