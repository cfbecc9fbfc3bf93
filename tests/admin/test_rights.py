"""Who may read and do what by pages and by the API."""

from admin.access.rules import Role
from tests.admin.acting import AUDIT, AWA, OTHER, REASON, SITA, asked_last
from tests.admin.acting import office as office
from tests.admin.back_office import Office, other_organiser

PATHS = {
    "/admin": "read_contests",
    "/admin/search": "read_orders",
    "/admin/requests": "read_orders",
    "/admin/refunds": "read_orders",
    "/admin/held": "read_orders",
    "/admin/tickets": "read_orders",
    "/admin/void": "void_window",
    "/admin/reconciliation": "read_book",
    "/admin/payouts": "read_money",
    "/admin/ledger": "read_money",
    "/admin/ledger/journal.csv": "read_money",
    "/admin/people": "manage_staff",
    "/admin/people/invitations": "manage_staff",
    "/admin/organisers": "manage_organisers",
    "/api/admin/people": "manage_staff",
    "/api/admin/organisers": "manage_organisers",
    "/admin/me": None,
    "/api/admin/me": None,
    "/api/admin/waiting": "read_orders",
    "/api/admin/contests": "read_contests",
    "/api/admin/requests": "read_orders",
    "/api/admin/refunds": "read_orders",
    "/api/admin/held": "read_orders",
    "/api/admin/tickets": "read_orders",
    "/api/admin/balances": "read_money",
    "/api/admin/trial": "read_book",
    "/api/admin/differences": "read_book",
    "/api/admin/differences/groups": "read_book",
    "/api/admin/statements": "read_book",
    "/api/admin/payouts": "read_money",
    "/api/admin/payouts/positions": "read_money",
    "/api/admin/beneficiaries": "read_money",
}
OPEN = {"/admin/sign-in", "/admin/reset", "/admin/factor", "/admin/sign-out", "/admin/acts", "/api/auth/continue"}


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
    for path in ("/admin/ledger", "/admin/ledger/journal.csv", "/admin/payouts"):
        async with other.get(path) as answer:
            assert answer.status == 200, path
            assert "star" not in await answer.text(), path
    for path in ("/admin/ledger?contest=star", "/admin/ledger/journal.csv?contest=star"):
        async with other.get(path) as answer:
            assert answer.status == 404, path
    async with other.get("/admin/reconciliation") as answer:
        assert answer.status == 403
