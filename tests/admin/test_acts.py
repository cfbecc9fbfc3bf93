"""What staff do by pages and by the API: with a reason, by two persons, within their rights."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from gateway.values.money import Money
from payments.ledger.book import LedgerEntry, post
from payments.ledger.postings import paid_out
from tests.admin.acting import AWA, REASON, YAO, asked_last
from tests.admin.acting import office as office
from tests.admin.back_office import PASSWORD, Office

NUMBER, MASKED = "+2250501020304", "+225 05 •• •• 03 04"


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
    assert "Votes retirés\u00a0: 5" in story
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
        assert "Paiements\u00a0: 3, votes\u00a0: 15" in await answer.text()
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


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/admin/acts", {"act": "nothing", "subject": "x", "reason": REASON}),
        ("/admin/acts", {}),
        ("/admin/acts", {"act": "refund_payment", "subject": "\x00", "reason": REASON}),
        ("/admin/acts", {"act": "payout", "subject": "star", "amount": "1.5", "currency": "XOF", "reason": REASON}),
        ("/admin/acts", {"act": "payout", "subject": "star", "amount": "5", "currency": "XOF", "reason": REASON}),
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
        ("/admin/organisers/unknown/state", {"state": "frozen", "reason": REASON}),
        ("/admin/organisers/demo/state", {"state": "gone", "reason": REASON}),
        ("/admin/organisers/demo/state", {"state": "frozen", "reason": ""}),
        ("/admin/organisers/unknown/quotas", {"drafts": "5"}),
        ("/admin/organisers/demo/quotas", {"drafts": "x"}),
        ("/admin/organisers/demo/quotas", {"drafts": "9999999"}),
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
    async with awa.get("/admin/ledger?asOf=2026-01-01T00:00") as answer:
        assert "chez l&#39;opérateur" not in await answer.text()
    async with awa.get("/admin/ledger?asOf=yesterday") as answer:
        assert answer.status == 400
    async with awa.get("/admin/ledger?contest=nothing") as answer:
        assert answer.status == 404
    async with awa.get("/admin/ledger/journal.csv?contest=nothing") as answer:
        assert answer.status == 404


@pytest.mark.parametrize("page", ["/admin/book", "/admin/ledger"])
async def test_what_one_account_holds_in_two_currencies_of_one_name_is_told_apart(office: Office, page: str) -> None:
    async with office.rig.engine.begin() as connection:
        for currency in ("XOF", "XAF"):
            entry = LedgerEntry(uuid4(), None, "float", paid_out(Money(700, currency), from_float=False))
            await post(connection, [(entry, "pawapay")])
    awa = await office.signed_in(AWA)
    for language, zones in {"fr": ("UEMOA", "CEMAC"), "en": ("West Africa", "Central Africa")}.items():
        async with awa.get(page, params={"lang": language}) as answer:
            shown = await answer.text()
        assert [shown.count(f"FCFA <small>{zone}</small>") for zone in zones] == [2, 2]


async def test_the_document_tells_of_every_address(office: Office) -> None:
    client = await office.browser()
    async with client.get("/openapi.json") as answer:
        paths = (await answer.json())["paths"]
    assert {"/api/auth/login", "/api/auth/refresh", "/api/auth/logout", "/api/auth/confirm"} <= set(paths)
    assert "401" in paths["/api/admin/requests"]["post"]["responses"]
