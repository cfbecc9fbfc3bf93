"""Files that staff take away: what is in them, who may, and what the audit log keeps of it."""

import csv
import io
import re

from aiohttp import ClientSession
from sqlalchemy import text

from admin.access.rules import Role
from tests.admin.acting import AUDIT, AWA, REASON
from tests.admin.acting import office as office
from tests.admin.back_office import Office

API = "/api/admin/contests/star/exports"
PAGE = "/admin/contests/star/exports"
ENGLISH = {"Accept-Language": "en"}


async def rows(client: ClientSession, path: str, separator: str = ";", **query: str) -> list[dict[str, str]]:
    """The lines of a file in French, or in the language of another separator."""
    headers = {} if separator == ";" else ENGLISH
    async with client.get(path, params=query, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        name = answer.headers["Content-Disposition"]
        shown = (await answer.read()).decode()
    what = path.rpartition("/")[2].removesuffix(".csv")
    assert re.fullmatch(rf'attachment; filename="spotlight-star-{what}-\d{{8}}T\d{{6}}Z.csv"', name)
    assert shown.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(shown[1:], newline=""), delimiter=separator))


async def test_orders_payments_and_the_book_leave_as_tables(office: Office) -> None:
    rig = office.rig
    order = await rig.counted()
    await rig.held(number="+2250501020305")
    async with rig.engine.begin() as connection:
        await connection.execute(text("update candidates set name = '=cmd()' where code = '07'"))
    await office.hire(AUDIT, Role.AUDITOR, "demo", "star")
    audit, awa = await office.signed_in(AUDIT), await office.signed_in(AWA)
    for place in (API, PAGE):
        held, counted = await rows(audit, f"{place}/orders.csv")
        assert (counted["Commande"], counted["Montant"], counted["État"]) == (str(order.vote_id), "500", "compté")
        assert counted["Candidat"] == "'=cmd()", "no spreadsheet runs it"
        assert "•" in counted["Payeur"]
        assert held["Comptée le"] == ""
        (one,) = await rows(audit, f"{place}/payments.csv", state="held")
        assert (one["Reçu par nous"], one["Moyen de paiement"]) == ("500", "MTN MoMo")
        journal = await rows(audit, f"{place}/journal.csv")
        assert {line["account"] for line in journal} >= {"sales", "organiser_payable"}
        assert "operator_clearing" not in {line["account"] for line in journal}, "where money is, is the platform's"
        people = await rows(audit, f"{place}/candidates.csv", ",")
        assert [one["Code"] for one in people] == [f"{n:02}" for n in range(1, 13)]
        assert {one["Code"]: one["Votes"] for one in people}["07"] == "5"
    # Whole numbers want the right, a reason, and a proof; a reason alone is not enough.
    asked = {"reason": REASON}
    async with audit.get(f"{API}/orders.csv", params=asked) as answer:
        assert answer.status == 403
    assert (await rows(awa, f"{API}/orders.csv", **asked))[1]["Payeur"] == "'+2250501020304"
    async with awa.get("/admin/contests/star/orders") as answer:
        word = (await answer.text()).split('name="form" value="')[1].split('"')[0]
    async with awa.post(f"{PAGE}/payments.csv", data={"form": word, **asked}) as answer:
        assert "+2250501020304" in await answer.text()
    async with awa.post(f"{PAGE}/payments.csv", data={"form": word, "reason": ""}) as answer:
        assert answer.status == 422
    noted = await rig.rows("select actor, detail from audit_log where act = 'export.made' order by id desc limit 1")
    expected = {"what": "payments", "filter": "", "numbers": "whole", "reason": REASON}
    assert [(one.actor, one.detail) for one in noted] == [(AWA, expected)]
    for path, status in (
        (f"{API}/orders.csv?state=paid", 422),
        (f"{API}/orders.csv?candidate=99", 404),
        (f"{PAGE}/orders.csv?state=paid", 422),
        ("/api/admin/contests/nothing/exports/journal.csv", 404),
        ("/admin/contests/nothing/exports/candidates.csv", 404),
    ):
        async with audit.get(path) as answer:
            assert answer.status == status, path


async def test_who_is_frozen_still_takes_files_away(office: Office) -> None:
    await office.rig.counted()
    await office.hire("owner@demo.test", Role.OWNER, "demo")
    owner = await office.signed_in("owner@demo.test")
    async with office.rig.engine.begin() as connection:
        await connection.execute(
            text(
                "update organisers set state = 'frozen', state_reason = 'test', state_since = now() where slug = 'demo'"
            )
        )
    assert len(await rows(owner, f"{API}/orders.csv")) == 1
