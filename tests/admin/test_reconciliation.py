"""Statements and differences by pages and by the API."""

from io import BytesIO
from urllib.parse import unquote

from aiohttp import FormData
from sqlalchemy import text

from admin.access.rules import Role
from gateway.http.forms import FILE_BYTES_MAX
from tests.admin.acting import AUDIT, AWA, REASON, YAO, asked_last
from tests.admin.acting import office as office
from tests.admin.back_office import Office

PATH = "/admin/reconciliation"


async def test_a_statement_comes_as_a_file(office: Office) -> None:
    awa = await office.signed_in(AWA)
    async with awa.get(PATH) as shown:
        word = (await shown.text()).split('name="form" value="')[1].split('"')[0]

    async def sent(form: str, content: bytes, **more: str) -> tuple[int, str]:
        body = FormData({"form": form, "account": "mtn_momo", **more})
        body.add_field("file", BytesIO(content), filename="november.csv", content_type="text/csv")
        async with awa.post(PATH, data=body) as answer:
            return answer.status, await answer.text()

    assert (await sent("0" * 40, b"a,b"))[0] == 403
    status, page = await sent(word, b"a,b")
    assert (status, "MTN MoMo n" in page) == (422, True), "this house has no accounts at operators"
    assert (await sent(word, b""))[0] == 422
    assert (await sent(word, b"x" * (FILE_BYTES_MAX + 1)))[0] == 413
    async with awa.post(PATH, data={"form": word}) as answer:
        assert answer.status == 415
    async with awa.post(PATH, data=b"--x", headers={"Content-Type": "multipart/form-data; boundary=y"}) as answer:
        assert answer.status in (400, 403)
    assert await office.rig.one("select count(*) from statement_files") == 0


async def import_three_of_unknown_payers(office: Office) -> None:
    async with office.rig.engine.begin() as connection:
        await connection.execute(
            text(
                "with f as (insert into statement_files (id, provider, name, sha256, lines, imported_by) values"
                " (gen_random_uuid(), 'mtn_momo', 'day.csv', '\\x00', 3, 'awa') returning id),"
                " l as (insert into statement_lines (file_id, line_no, provider, line_key, kind, amount_minor,"
                " currency, at, raw) select f.id, n, 'mtn_momo', n, 'collection', 500, 'XOF', now(), '{}'"
                " from f, generate_series(1, 3) n returning id)"
                " insert into differences (provider, kind, line_id, amount_minor, currency, detail)"
                " select 'mtn_momo', 'missing_here', id, 500, 'XOF', 'none of ours fits' from l"
            )
        )


def group_in(page: str) -> str:
    """The key of the group that a page of differences offers, as in its address."""
    return page.split(f"{PATH}?group=")[1].split('"')[0]


async def test_differences_are_listed_one_by_one_and_as_a_group(office: Office) -> None:
    await office.hire(AUDIT, Role.AUDITOR)
    awa, audit = await office.signed_in(AWA), await office.signed_in(AUDIT)
    await import_three_of_unknown_payers(office)
    async with awa.get(PATH) as answer:
        page = await answer.text()
    key = group_in(page)
    assert page.count('name="act" value="reconcile"') == 4, "three differences and their group"
    async with audit.get(f"{PATH}?group={key}") as answer:
        page = await answer.text()
    assert (answer.status, page.count("aucun de nos paiements"), 'name="act"' in page) == (200, 3, False)
    async with awa.get(f"{PATH}?group=nothing") as answer:
        assert answer.status == 404
    headers = {"Authorization": f"Bearer {await office.token(AUDIT)}"}
    async with audit.get("/api/admin/differences/groups", headers=headers) as answer:
        (listed,) = (await answer.json())["groups"]
    assert (listed["key"], listed["count"], listed["amount"]) == (unquote(key), 3, 1500)
    async with audit.get("/api/admin/statements", headers=headers) as answer:
        (listed,) = (await answer.json())["statements"]
    assert (listed["name"], listed["importedBy"], listed["open"]) == ("day.csv", "awa", 3)


async def test_differences_are_decided_by_two_persons(office: Office) -> None:
    """One of them, a group, and an import that is taken back."""
    await office.hire(AUDIT, Role.AUDITOR)
    awa, yao, audit = await office.signed_in(AWA), await office.signed_in(YAO), await office.signed_in(AUDIT)
    await import_three_of_unknown_payers(office)
    async with awa.get(PATH) as answer:
        key = group_in(await answer.text())
    number = str(await office.rig.one("select min(id) from differences"))
    ask = {"act": "reconcile", "subject": number, "repair": "unexplained", "reason": REASON}
    assert (await office.form(audit, "/admin/search", "/admin/acts", **ask))[0] == 403
    status, page = await office.form(awa, PATH, "/admin/acts", **ask)
    assert (status, "chez l&#39;opérateur +500" in page and "inexpliqué -500" in page) == (200, True)
    first = f"/admin/requests/{await asked_last(office)}"
    assert (await office.form(awa, first, decision="approve"))[0] == 403
    assert await office.rig.one("select count(*) from postings") == 0
    async with awa.get(PATH) as answer:
        assert first in await answer.text()
    await office.form(yao, first, decision="approve")
    undo = {"act": "undo_import", "subject": str(await office.rig.one("select id from statement_files"))}
    assert (await office.form(awa, PATH, "/admin/acts", **undo, reason=REASON))[0] == 409, "something is decided"
    group = {**ask, "subject": str(office.server.make_url(f"/?g={key}").query["g"])}
    status, page = await office.form(awa, PATH, "/admin/acts", **group)
    assert (status, ">2<" in page) == (200, True)
    await office.form(yao, f"/admin/requests/{await asked_last(office)}", decision="approve")
    assert await office.rig.on_account("unexplained") == -1500
    async with awa.get(PATH) as answer:
        assert 'value="reconcile"' not in await answer.text()


async def test_a_difference_is_asked_about_by_the_api(office: Office) -> None:
    awa = await office.signed_in(AWA)
    headers = {"Authorization": f"Bearer {await office.token(AWA)}"}
    async with awa.post(
        "/api/admin/differences/9", json={"repair": "accept", "reason": REASON}, headers=headers
    ) as answer:
        assert (answer.status, (await answer.json())["type"]) == (404, "/problems/unknown")
    body = {"repair": "accept", "reason": REASON}
    async with office.rig.engine.begin() as connection:
        await connection.execute(
            text(
                "insert into differences (provider, kind, amount_minor, currency, detail)"
                " values ('mtn_momo', 'date', 0, 'XOF', 'another day')"
            )
        )
    number = str(await office.rig.one("select max(id) from differences"))
    async with awa.post(f"/api/admin/differences/{number}", json=body, headers=headers) as answer:
        listed = await answer.json()
    assert (answer.status, listed["status"], listed["preview"]["books"]) == (201, "waiting", "no money moves")
