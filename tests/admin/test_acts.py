"""What staff do by pages and by the API: with a reason, by two persons, within their rights."""

from collections.abc import AsyncIterator
from datetime import timedelta
from io import BytesIO
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp import FormData
from sqlalchemy import text

from admin.access.guard import FILE_BYTES_MAX
from admin.access.rules import Role
from tests.admin.back_office import PASSWORD, Office, open_office, other_organiser

AWA, YAO, SITA, AUDIT, OTHER = (f"{name}@house.test" for name in ("awa", "yao", "sita", "audit", "other"))
REASON = "the voter called us"
NUMBER, MASKED = "+2250501020304", "+225 05 •• •• 03 04"


@pytest.fixture
async def office(database: Any) -> AsyncIterator[Office]:
    async with open_office(database.app_url) as opened:
        await opened.hire(AWA)
        await opened.hire(YAO, Role.FINANCE)
        yield opened


async def asked_last(office: Office) -> str:
    """The request that was made last."""
    return str(await office.rig.one("select id from staff_requests order by requested_at desc limit 1"))


async def proof_is_old(office: Office) -> None:
    async with office.rig.engine.begin() as connection:
        await connection.execute(text("update staff_sessions set factor_at = now() - interval '6 minutes'"))


async def test_a_refund_by_two_persons(office: Office) -> None:
    order = await office.rig.counted()
    awa, yao = await office.signed_in(AWA), await office.signed_in(YAO)
    page_of_order = f"/admin/orders/{order.vote_id}"
    ask = {"act": "refund_payment", "subject": str(order.payment_reference), "reason": REASON}
    status, page = await office.form(awa, page_of_order, "/admin/acts", **ask)
    assert status == 200
    address = f"/admin/requests/{await asked_last(office)}"
    assert REASON in page
    assert "Une autre personne décide" not in page
    assert 'value="approve"' not in page, "who asked sees no button"
    assert "Vous l&#39;avez demandé vous-même" in page
    refused, page = await office.form(awa, address, decision="approve")
    assert refused == 403
    assert await office.rig.status(order) == "settled"
    async with yao.get("/admin/requests") as answer:
        assert address in await answer.text()
    status, page = await office.form(yao, address, decision="approve")
    assert status == 200
    assert await office.rig.status(order) == "refund_due"
    assert "faite" in page
    async with yao.get(page_of_order) as answer:
        story = await answer.text()
    assert "Rembourser le paiement" in story
    assert "annulé" in story
    assert not await office.rig.broken()
    asked, done = await office.audit("refund_payment.asked"), await office.audit("refund_payment.done")
    assert asked[0].actor == AWA
    assert done[0].detail["approved_by"] == YAO


@pytest.mark.parametrize("reason", ["", "  ", "no", "x" * 501])
async def test_no_act_without_a_reason(office: Office, reason: str) -> None:
    order = await office.rig.counted()
    awa = await office.signed_in(AWA)
    ask = {"act": "refund_payment", "subject": str(order.payment_reference), "reason": reason}
    status, page = await office.form(awa, f"/admin/orders/{order.vote_id}", "/admin/acts", **ask)
    assert status == 422
    assert "Il faut un motif" in page
    assert await office.rig.one("select count(*) from staff_requests") == 0


async def test_a_page_of_another_site_asks_for_nothing(office: Office) -> None:
    order = await office.rig.counted()
    awa = await office.signed_in(AWA)
    async with awa.get("/admin") as shown:
        word = (await shown.text()).split('name="form" value="')[1].split('"')[0]
    ask = {"act": "refund_payment", "subject": str(order.payment_reference), "reason": REASON, "form": word}
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "none"}):
        async with awa.post("/admin/acts", data=ask, headers=headers) as answer:
            assert answer.status == 403
    async with awa.post("/admin/acts", data={**ask, "form": "0" * 40}) as answer:
        assert answer.status == 403
    yao = await office.signed_in(YAO)
    async with yao.post("/admin/acts", data=ask) as answer:
        assert answer.status == 403, "another session's form"
    assert await office.rig.one("select count(*) from staff_requests") == 0


async def test_an_old_proof_is_asked_for_and_what_was_sent_goes_on(office: Office) -> None:
    order = await office.rig.counted()
    awa = await office.signed_in(AWA)
    await proof_is_old(office)
    ask = {"act": "refund_payment", "subject": str(order.payment_reference), "reason": REASON}
    page_of_order = f"/admin/orders/{order.vote_id}"
    status, page = await office.form(awa, page_of_order, "/admin/acts", **ask)
    assert status == 200
    assert f'name="reason" value="{REASON}"' in page
    assert await office.rig.one("select count(*) from staff_requests") == 0
    status, page = await office.form(awa, page_of_order, "/admin/acts", **ask, proof="wrong")
    assert status == 401
    status, page = await office.form(awa, page_of_order, "/admin/acts", **ask, proof=PASSWORD)
    assert status == 200
    assert await office.rig.one("select count(*) from staff_requests") == 1


async def test_with_a_second_factor_the_proof_is_a_code(office: Office) -> None:
    secret = await office.set_up_factor(AWA)
    order = await office.rig.counted()
    token = await office.token(AWA, code=office.code(secret))
    await proof_is_old(office)
    client = await office.browser()
    bearer = {"Authorization": f"Bearer {token}"}
    ask = {"act": "refund_payment", "subject": str(order.payment_reference), "reason": REASON}
    async with client.post("/api/admin/requests", json=ask, headers=bearer) as answer:
        assert (await answer.json())["type"] == "/problems/proof_wanted"
    async with client.post("/api/auth/confirm", json={"code": PASSWORD}, headers=bearer) as answer:
        assert answer.status == 401
    office.ahead = timedelta(seconds=30)
    async with client.post("/api/auth/confirm", json={"code": office.code(secret)}, headers=bearer) as answer:
        assert answer.status == 200
    office.ahead = timedelta()
    async with client.post("/api/admin/requests", json=ask, headers=bearer) as answer:
        assert answer.status == 201


async def test_the_api_does_the_same(office: Office) -> None:
    order = await office.rig.counted()
    client = await office.browser()
    awa, yao = [{"Authorization": f"Bearer {await office.token(who)}"} for who in (AWA, YAO)]
    ask = {"act": "refund_payment", "subject": str(order.payment_reference), "reason": REASON}
    async with client.post("/api/admin/requests", json={**ask, "requestedBy": YAO}, headers=awa) as answer:
        assert answer.status == 422, "unknown fields are refused"
    async with client.post("/api/admin/requests", json=ask, headers=awa) as answer:
        assert answer.status == 201
        made = await answer.json()
    assert made["requestedBy"] == AWA
    assert made["preview"]["amount_minor"] == 500
    decision = f"/api/admin/requests/{made['id']}/decision"
    async with client.post(decision, json={"approve": True}, headers=awa) as answer:
        assert answer.status == 403
        assert (await answer.json())["type"] == "/problems/own_request"
    async with client.post(decision, json={"approve": True}, headers=yao) as answer:
        assert (await answer.json())["status"] == "done"
    async with client.post(decision, json={"approve": True}, headers=yao) as answer:
        assert answer.status == 409
    async with client.get("/api/admin/refunds", headers=awa) as answer:
        (refund,) = (await answer.json())["refunds"]
    assert refund["amount"] == {"amount": 500, "currency": "XOF"}
    assert refund["requestedBy"] == AWA
    async with client.get("/api/admin/trial", headers=awa) as answer:
        assert (await answer.json())["balances"] is True


async def test_a_number_is_masked_until_a_reason_is_given(office: Office) -> None:
    order = await office.rig.counted()
    awa = await office.signed_in(AWA)
    address = f"/admin/orders/{order.vote_id}"
    status, found = await office.form(awa, "/admin/search", q="0501020304")
    assert MASKED in found
    async with awa.get(address) as answer:
        shown = await answer.text()
    for page in (found, shown):
        assert NUMBER not in page
        assert NUMBER[1:] not in page
    status, page = await office.form(awa, address, reason="  ")
    assert (status, NUMBER in page) == (422, False)
    assert not await office.audit("number.shown")
    status, page = await office.form(awa, address, reason=REASON)
    assert NUMBER in page
    (line,) = await office.audit("number.shown")
    assert (line.actor, line.subject, line.detail["reason"]) == (AWA, str(order.vote_id), REASON)
    assert NUMBER[1:] not in str(line)


async def test_a_search_knows_what_voters_can_tell(office: Office) -> None:
    order = await office.rig.counted()
    keys = (await office.rig.rows("select receipt, order_code from order_keys"))[0]
    shown = (await office.rig.rows("select provider_reference from payments"))[0].provider_reference
    awa = await office.signed_in(AWA)
    words = (
        shown,
        "0501020304",
        "+225 05 01 02 03 04",
        keys.receipt.lower(),
        f"{keys.receipt[:5]}-{keys.receipt[5:]}",
        keys.order_code,
        str(order.payment_reference),
        str(order.vote_id),
    )
    for word in words:
        _, page = await office.form(awa, "/admin/search", q=word)
        assert str(order.vote_id) in page, word
    for word in ("0701020304", "SPXXXXXXXXXXXX", "00000000-0000-4000-8000-000000000000", "'; drop table votes; --"):
        status, page = await office.form(awa, "/admin/search", q=word)
        assert status == 200
        assert str(order.vote_id) not in page, word


async def test_the_story_tells_no_secret_and_no_number(office: Office) -> None:
    rig = office.rig
    order = await rig.placed()
    await rig.collect()
    body = b'{"payer": "2250501020304", "notif_token": "nt-secret", "note": "<script>alert(1)</script>"}'
    await rig.callback(order, body)
    awa = await office.signed_in(AWA)
    async with awa.get(f"/admin/orders/{order.vote_id}") as answer:
        page = await answer.text()
    assert "nt-secret" not in page
    assert "0501020304" not in page
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "replay_callback" in page


async def test_replaying_a_callback_needs_no_second_person(office: Office) -> None:
    rig = office.rig
    order = await rig.placed()
    await rig.collect()
    await rig.callback(order, b"{}")
    await rig.judge()
    number = await rig.one("select id from callbacks")
    awa = await office.signed_in(AWA)
    ask = {"act": "replay_callback", "subject": str(number), "reason": REASON}
    status, _ = await office.form(awa, f"/admin/orders/{order.vote_id}", "/admin/acts", **ask)
    assert status == 200
    assert await rig.one("select replayed_at is not null and handled_at is null from callbacks")
    for word in ("1e9", "-1", "9" * 30, "x"):
        ask["subject"] = word
        assert (await office.form(awa, "/admin", "/admin/acts", **ask))[0] == 404


async def test_a_held_payment_is_counted_after_all(office: Office) -> None:
    order = await office.rig.held()
    awa, yao = await office.signed_in(AWA), await office.signed_in(YAO)
    async with awa.get("/admin/held") as answer:
        assert str(order.vote_id) in await answer.text()
    ask = {"act": "release_held", "subject": str(order.payment_reference), "reason": REASON}
    await office.form(awa, f"/admin/orders/{order.vote_id}", "/admin/acts", **ask)
    await office.form(yao, f"/admin/requests/{await asked_last(office)}", decision="approve")
    assert await office.rig.status(order) == "settled"


async def test_a_window_is_previewed_asked_for_and_followed(office: Office) -> None:
    for number in range(3):
        await office.rig.counted(number=f"+22505010203{number:02d}")
    awa, yao = await office.signed_in(AWA), await office.signed_in(YAO)
    now = office.now()
    ends = {
        "from": f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M:%S}",
        "to": f"{now + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}",
    }
    async with awa.get("/admin/void", params={"contest": "star", **ends}) as answer:
        assert "3 paiements, 15 votes" in await answer.text()
    ask = {"act": "void_window", "subject": "star", "reason": REASON, **ends}
    status, page = await office.form(awa, "/admin/void", "/admin/acts", **ask)
    assert status == 200
    address = f"/admin/requests/{await asked_last(office)}"
    _, page = await office.form(yao, address, decision="approve")
    assert "3 paiements sur 3" in page
    assert not await office.rig.broken()
    async with awa.get("/admin/void", params={"contest": "star", "from": "x", "to": "y"}) as answer:
        assert answer.status == 409


async def test_a_refund_that_a_person_paid(office: Office) -> None:
    order = await office.rig.late()
    async with office.rig.engine.begin() as connection:
        await connection.execute(text("update refunds set status = 'manual', reason_code = 'no_refunds'"))
    refund = await office.rig.one("select reference from refunds")
    awa, yao = await office.signed_in(AWA), await office.signed_in(YAO)
    async with awa.get("/admin/refunds") as answer:
        assert str(refund) in await answer.text()
    ask = {"act": "manual_refund_done", "subject": str(refund), "reason": REASON, "operator_reference": "MP1"}
    await office.form(awa, "/admin/refunds", "/admin/acts", **ask)
    await office.form(yao, f"/admin/requests/{await asked_last(office)}", decision="approve")
    assert await office.rig.status(order) == "refunded"
    async with awa.get("/admin/refunds?all=1") as answer:
        assert str(refund) in await answer.text()
    async with awa.get(f"/admin/payments/{refund}") as answer:
        assert answer.url.path == f"/admin/orders/{order.vote_id}"


PATHS = {
    "/admin": "read_orders",
    "/admin/search": "read_orders",
    "/admin/requests": "read_orders",
    "/admin/refunds": "read_orders",
    "/admin/held": "read_orders",
    "/admin/tickets": "read_orders",
    "/admin/void": "void_window",
    "/admin/reconciliation": "read_money",
    "/admin/payouts": "read_money",
    "/admin/ledger": "read_money",
    "/admin/ledger/journal.csv": "read_money",
    "/admin/me": None,
    "/api/admin/me": None,
    "/api/admin/waiting": "read_orders",
    "/api/admin/requests": "read_orders",
    "/api/admin/refunds": "read_orders",
    "/api/admin/held": "read_orders",
    "/api/admin/tickets": "read_orders",
    "/api/admin/balances": "read_money",
    "/api/admin/trial": "read_money",
    "/api/admin/differences": "read_money",
    "/api/admin/differences/groups": "read_money",
    "/api/admin/statements": "read_money",
    "/api/admin/payouts": "read_money",
    "/api/admin/payouts/positions": "read_money",
    "/api/admin/beneficiaries": "read_money",
}
OPEN = {"/admin/sign-in", "/admin/factor", "/admin/sign-out", "/admin/acts", "/api/auth/continue"}


async def test_every_page_asks_for_its_right(office: Office) -> None:
    routes = {
        route.resource.canonical
        for route in office.app.router.routes()
        if route.resource is not None and route.method == "GET" and "{" not in route.resource.canonical
    }
    ours = {path for path in routes if path.startswith(("/admin", "/api/a"))}
    assert ours - OPEN - {
        "/admin/reconciliation/balances",
        "/admin/payouts/beneficiaries",
        "/admin/payouts/freeze",
    } == set(PATHS)
    people = {AWA: Role.OWNER, SITA: Role.SUPPORT, AUDIT: Role.AUDITOR, OTHER: Role.FINANCE}
    await office.hire(SITA, Role.SUPPORT)
    await office.hire(AUDIT, Role.AUDITOR)
    await other_organiser(office.rig)
    await office.hire(OTHER, Role.FINANCE, organiser="other")
    for email in people:
        client, token = await office.signed_in(email), await office.token(email)
        found = await office.access.sign_in.accounts.credentials(email)
        assert found is not None
        rights = {right.value for right in office.access.sign_in.rights(found.member)}
        for path, right in PATHS.items():
            headers = {"Authorization": f"Bearer {token}"} if path.startswith("/api/") else {}
            async with client.get(path, headers=headers, allow_redirects=False) as answer:
                assert answer.status == (200 if right is None or right in rights else 403), (email, path)
    signed_out = await office.browser()
    for path in PATHS:
        async with signed_out.get(path, allow_redirects=False) as answer:
            assert answer.status in (307, 401), path


async def test_support_asks_and_does_not_decide(office: Office) -> None:
    order = await office.rig.counted()
    await office.hire(SITA, Role.SUPPORT)
    sita, awa = await office.signed_in(SITA), await office.signed_in(AWA)
    ask = {"act": "refund_payment", "subject": str(order.payment_reference), "reason": REASON}
    await office.form(awa, "/admin", "/admin/acts", **ask)
    address = f"/admin/requests/{await asked_last(office)}"
    assert (await office.form(sita, address, decision="approve"))[0] == 403
    async with sita.get(address) as answer:
        assert "Votre rôle ne peut pas en décider" in await answer.text()
    ask = {"act": "void_window", "subject": "star", "reason": REASON}
    assert (await office.form(sita, "/admin", "/admin/acts", **ask))[0] == 403
    assert await office.rig.status(order) == "settled"


async def test_another_organiser_sees_and_touches_nothing(office: Office) -> None:
    rig = office.rig
    order, held = await rig.counted(), await rig.held(number="+2250501020305")
    await rig.callback(order, b"{}")
    number = await rig.one("select id from callbacks")
    await other_organiser(rig)
    await office.hire(OTHER, Role.OWNER, organiser="other")
    awa, other = await office.signed_in(AWA), await office.signed_in(OTHER)
    ask = {"act": "refund_payment", "subject": str(order.payment_reference), "reason": REASON}
    await office.form(awa, "/admin", "/admin/acts", **ask)
    request = await asked_last(office)
    for word in ("0501020304", str(order.vote_id), str(order.payment_reference)):
        _, page = await office.form(other, "/admin/search", q=word)
        assert str(order.vote_id) not in page.replace(f'value="{word}"', "")
    for path in (
        f"/admin/orders/{order.vote_id}",
        f"/admin/payments/{order.payment_reference}",
        f"/admin/requests/{request}",
    ):
        async with other.get(path) as answer:
            assert answer.status == 404, path
    for path in ("/admin", "/admin/requests", "/admin/held", "/admin/refunds"):
        async with other.get(path) as answer:
            shown = await answer.text()
        assert str(held.vote_id) not in shown
        assert request not in shown
    subjects = {
        "refund_payment": str(order.payment_reference),
        "release_held": str(held.payment_reference),
        "refuse_held": str(held.payment_reference),
        "replay_callback": str(number),
        "void_window": "star",
    }
    for act, subject in subjects.items():
        status, _ = await office.form(other, "/admin", "/admin/acts", act=act, subject=subject, reason=REASON)
        assert status == 404, act
    assert (await office.form(other, "/admin", f"/admin/orders/{order.vote_id}", reason=REASON))[0] == 404
    assert (await office.form(other, "/admin", f"/admin/requests/{request}", decision="approve"))[0] == 404
    assert await rig.one("select count(*) from staff_requests") == 1
    async with other.get("/admin/ledger") as answer:
        assert answer.status == 403


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/admin/acts", {"act": "nothing", "subject": "x", "reason": REASON}),
        ("/admin/acts", {}),
        ("/admin/acts", {"act": "refund_payment", "subject": "\x00", "reason": REASON}),
        ("/admin/acts", {"act": "payout", "subject": "star", "amount_minor": "1.5", "reason": REASON}),
        ("/admin/acts", {"act": "payout", "subject": "star", "amount_minor": "5", "reason": REASON}),
        ("/admin/requests/x", {"decision": "approve"}),
        ("/admin/requests/00000000-0000-4000-8000-000000000000", {"decision": "perhaps"}),
        ("/admin/requests/00000000-0000-4000-8000-000000000000", {"decision": "approve"}),
        ("/admin/orders/x", {"reason": REASON}),
        ("/admin/me", {"session": "x"}),
        ("/admin/search", {"q": "\x00'"}),
        ("/admin/acts", {"act": "reconcile", "subject": "9", "repair": "nothing", "reason": REASON}),
        ("/admin/acts", {"act": "reconcile", "subject": "9", "repair": "accept", "reason": REASON}),
        ("/admin/acts", {"act": "reconcile", "subject": "\x00", "repair": "accept", "reason": REASON}),
        ("/admin/acts", {"act": "undo_import", "subject": "9", "reason": REASON}),
        ("/admin/payouts/freeze", {"organiser": "unknown", "frozen": "1", "reason": REASON}),
        ("/admin/payouts/beneficiaries", {"organiser": "demo", "reason": REASON}),
        ("/admin/payouts/beneficiaries/x", {"reason": REASON}),
    ],
)
async def test_odd_forms_are_answered_and_change_nothing(office: Office, path: str, fields: dict[str, str]) -> None:
    awa = await office.signed_in(AWA)
    status, _ = await office.form(awa, "/admin", path, **fields)
    assert status in (200, 400, 403, 404, 409, 422), status
    assert await office.rig.one("select count(*) from staff_requests") == 0


async def test_the_ledger_shows_an_instant_and_the_whole_journal(office: Office) -> None:
    await office.rig.counted()
    awa = await office.signed_in(AWA)
    async with awa.get("/admin/ledger/journal.csv?contest=star") as answer:
        lines = (await answer.text()).splitlines()
    assert lines[0].startswith("id,at,tx")
    assert len(lines) == 1 + await office.rig.one("select count(*) from postings")
    async with awa.get("/admin/ledger?at=2026-01-01T00:00") as answer:
        assert "chez l&#39;opérateur" not in await answer.text()
    async with awa.get("/admin/ledger?at=yesterday") as answer:
        assert answer.status == 400
    async with awa.get("/admin/ledger?contest=nothing") as answer:
        assert answer.status == 404
    async with awa.get("/admin/ledger/journal.csv?contest=nothing") as answer:
        assert answer.status == 404


async def test_the_document_tells_of_every_address(office: Office) -> None:
    client = await office.browser()
    async with client.get("/openapi.json") as answer:
        paths = (await answer.json())["paths"]
    assert {"/api/auth/login", "/api/auth/refresh", "/api/auth/logout", "/api/auth/confirm"} <= set(paths)
    assert "401" in paths["/api/admin/requests"]["post"]["responses"]


async def test_a_statement_comes_as_a_file(office: Office) -> None:
    awa = await office.signed_in(AWA)
    path = "/admin/reconciliation"
    async with awa.get(path) as shown:
        word = (await shown.text()).split('name="form" value="')[1].split('"')[0]

    async def sent(form: str, content: bytes, **more: str) -> tuple[int, str]:
        body = FormData({"form": form, "account": "mtn_momo", **more})
        body.add_field("file", BytesIO(content), filename="november.csv", content_type="text/csv")
        async with awa.post(path, data=body) as answer:
            return answer.status, await answer.text()

    assert (await sent("0" * 40, b"a,b"))[0] == 403
    status, page = await sent(word, b"a,b")
    assert (status, "mtn_momo" in page) == (422, True), "this house has no accounts at operators"
    assert (await sent(word, b""))[0] == 422
    assert (await sent(word, b"x" * (FILE_BYTES_MAX + 1)))[0] == 413
    async with awa.post(path, data={"form": word}) as answer:
        assert answer.status == 415
    async with awa.post(path, data=b"--x", headers={"Content-Type": "multipart/form-data; boundary=y"}) as answer:
        assert answer.status in (400, 403)
    assert await office.rig.one("select count(*) from statement_files") == 0


async def test_differences_are_decided_by_two_persons(office: Office) -> None:
    """One of them, a group, and an import that is taken back."""
    await office.hire(AUDIT, Role.AUDITOR)
    awa, yao, audit = await office.signed_in(AWA), await office.signed_in(YAO), await office.signed_in(AUDIT)
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
    path = "/admin/reconciliation"
    async with awa.get(path) as answer:
        page = await answer.text()
    key = page.split(f"{path}?group=")[1].split('"')[0]
    assert page.count('name="act" value="reconcile"') == 4, "three differences and their group"
    async with audit.get(f"{path}?group={key}") as answer:
        page = await answer.text()
    assert (answer.status, page.count("none of ours fits"), 'name="act"' in page) == (200, 3, False)
    async with awa.get(f"{path}?group=nothing") as answer:
        assert answer.status == 404
    headers = {"Authorization": f"Bearer {await office.token(AUDIT)}"}
    async with audit.get("/api/admin/differences/groups", headers=headers) as answer:
        (listed,) = (await answer.json())["groups"]
    assert (listed["key"], listed["count"], listed["amount"]) == (unquote(key), 3, 1500)
    async with audit.get("/api/admin/statements", headers=headers) as answer:
        (listed,) = (await answer.json())["statements"]
    assert (listed["name"], listed["importedBy"], listed["open"]) == ("day.csv", "awa", 3)
    number = str(await office.rig.one("select min(id) from differences"))
    ask = {"act": "reconcile", "subject": number, "repair": "unexplained", "reason": REASON}
    assert (await office.form(audit, "/admin/search", "/admin/acts", **ask))[0] == 403
    status, page = await office.form(awa, path, "/admin/acts", **ask)
    assert (status, "chez l&#39;opérateur +500" in page and "inexpliqué -500" in page) == (200, True)
    first = f"/admin/requests/{await asked_last(office)}"
    assert (await office.form(awa, first, decision="approve"))[0] == 403
    assert await office.rig.one("select count(*) from postings") == 0
    async with awa.get(path) as answer:
        assert first in await answer.text()
    await office.form(yao, first, decision="approve")
    undo = {"act": "undo_import", "subject": str(await office.rig.one("select id from statement_files"))}
    assert (await office.form(awa, path, "/admin/acts", **undo, reason=REASON))[0] == 409, "something is decided"
    group = {**ask, "subject": str(office.server.make_url(f"/?g={key}").query["g"])}
    status, page = await office.form(awa, path, "/admin/acts", **group)
    assert (status, ">2<" in page) == (200, True)
    await office.form(yao, f"/admin/requests/{await asked_last(office)}", decision="approve")
    assert await office.rig.on_account("unexplained") == -1500
    async with awa.get(path) as answer:
        assert 'value="reconcile"' not in await answer.text()
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
