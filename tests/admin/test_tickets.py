"""Tickets in the back office: found by the number that the voter received, ended by a person or by a refund."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from admin.access.rules import Role
from gateway.orders.rules import PlacedOrder
from payments.rescue.rules import read_ticket
from tests.admin.back_office import Office, open_office, open_ticket, other_organiser

AWA, YAO, AUDIT, OTHER = (f"{name}@house.test" for name in ("awa", "yao", "audit", "other"))
WHY = "counted meanwhile, called back"
MASKED = "+225 05 •• •• 03 04"


@pytest.fixture
async def office(database: Any) -> AsyncIterator[Office]:
    async with open_office(database.app_url) as opened:
        await opened.hire(AWA, Role.SUPPORT)
        await opened.hire(YAO, Role.FINANCE)
        yield opened


async def ticket_of(office: Office, order: PlacedOrder) -> str:
    """The number that this voter received."""
    return await open_ticket(office.rig, order)


async def state_of(office: Office, number: str) -> tuple[str, str]:
    (row,) = await office.rig.rows("select status, note from support_tickets where id = :id", id=read_ticket(number))
    return row.status, row.note


async def test_a_ticket_is_closed_once_with_a_reason(office: Office) -> None:
    order = await office.rig.counted()
    number = await ticket_of(office, order)
    client = await office.signed_in(AWA)
    async with client.get("/admin/tickets") as answer:
        page = await answer.text()
    assert f">{number}</a>" in page
    assert MASKED in page
    assert "compté" in page, "what became of the payment"
    status, page = await office.form(client, "/admin/tickets", f"/admin/tickets/{number}", reason=" ")
    assert status == 422
    status, page = await office.form(client, "/admin/tickets", f"/admin/tickets/{number}", reason=WHY)
    assert status == 200
    assert f"/admin/orders/{order.vote_id}" not in page
    assert await state_of(office, number) == ("closed", f"{AWA}: {WHY}")
    (line,) = await office.audit("ticket.closed")
    assert (line.actor, line.subject, line.detail["reason"]) == (AWA, number, WHY)
    status, page = await office.form(client, "/admin/tickets", f"/admin/tickets/{number}", reason=WHY)
    assert status == 409
    assert f"Le ticket {number} est déjà clos." in page
    async with client.get(f"/admin/orders/{order.vote_id}") as answer:
        assert f"<b>{number}</b> débité" in (await answer.text()).replace("\n", "")


@pytest.mark.parametrize("number", ["1", "14", "x", "0", "99999999999999999999", "%00"])
async def test_a_number_that_is_none_ends_nothing(office: Office, number: str) -> None:
    real = await ticket_of(office, await office.rig.counted())
    assert number != real
    client = await office.signed_in(AWA)
    status, _ = await office.form(client, "/admin/tickets", f"/admin/tickets/{number}", reason=WHY)
    assert status == 404
    assert (await state_of(office, real))[0] == "open"


async def test_a_refund_from_the_page_closes_the_ticket_that_it_shows(office: Office) -> None:
    order = await office.rig.counted()
    number = await ticket_of(office, order)
    awa, yao = await office.signed_in(AWA), await office.signed_in(YAO)
    page_of_order = f"/admin/orders/{order.vote_id}"
    async with awa.get(page_of_order) as answer:
        assert f'name="ticket" value="{number}" checked' in await answer.text()
    ask = {"act": "refund_payment", "subject": str(order.payment_reference), "reason": WHY, "ticket": number}
    status, page = await office.form(awa, page_of_order, "/admin/acts", **ask)
    assert status == 200
    assert number in page
    request = await office.rig.one("select id from staff_requests")
    await office.form(yao, f"/admin/requests/{request}", decision="approve")
    assert await state_of(office, number) == ("closed", f"refund request {request}")
    async with awa.get(page_of_order) as answer:
        assert 'name="ticket"' not in await answer.text()


async def test_only_whose_voters_they_are(office: Office) -> None:
    number = await ticket_of(office, await office.rig.counted())
    await other_organiser(office.rig)
    await office.hire(OTHER, Role.OWNER, organiser="other")
    await office.hire(AUDIT, Role.AUDITOR)
    for email, status in ((OTHER, 404), (AUDIT, 403)):
        client = await office.signed_in(email)
        async with client.get("/admin/tickets") as answer:
            page = await answer.text()
        assert (f">{number}</a>" in page) is (email == AUDIT)
        assert f'action="/admin/tickets/{number}"' not in page
        assert (await office.form(client, "/admin", f"/admin/tickets/{number}", reason=WHY))[0] == status
    assert (await state_of(office, number))[0] == "open"


async def test_for_programs(office: Office) -> None:
    order = await office.rig.counted()
    number = await ticket_of(office, order)
    client = await office.browser()
    headers = {"Authorization": f"Bearer {await office.token(AWA)}"}
    async with client.get("/api/admin/tickets", headers=headers) as answer:
        (line,) = (await answer.json())["tickets"]
    assert (line["ticket"], line["number"], line["voteId"]) == (number, MASKED, str(order.vote_id))
    assert (line["paymentStatus"], line["kind"], line["channel"]) == ("settled", "debited", "ussd")
    address = f"/api/admin/tickets/{number}/close"
    for path, body, status in (
        (address, {}, 422),
        (address, {"reason": "x"}, 422),
        ("/api/admin/tickets/x/close", {"reason": WHY}, 422),
        (f"/api/admin/tickets/{number[:-1]}0{number[-1]}/close", {"reason": WHY}, 404),
        (address, {"reason": WHY}, 200),
        (address, {"reason": WHY}, 409),
    ):
        async with client.post(path, json=body, headers=headers) as answer:
            assert answer.status == status, (path, body, await answer.text())
    async with client.get("/api/admin/tickets", headers=headers) as answer:
        assert (await answer.json())["tickets"] == []
    assert len(await office.audit("ticket.closed")) == 1
