"""Who may read and do what by pages and by the API."""

from admin.access.rules import Role
from tests.admin.acting import AWA, OTHER, REASON, SITA, asked_last
from tests.admin.acting import office as office
from tests.admin.back_office import Office, other_organiser


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
    for path in ("/admin/ledger", "/admin/ledger/journal.csv", "/admin/payouts"):
        async with other.get(path) as answer:
            assert answer.status == 200, path
            assert "star" not in await answer.text(), path
    for path in ("/admin/ledger?contest=star", "/admin/ledger/journal.csv?contest=star"):
        async with other.get(path) as answer:
            assert answer.status == 404, path
    async with other.get("/admin/reconciliation") as answer:
        assert answer.status == 403
