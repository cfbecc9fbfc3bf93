"""What an organiser's own staff see and ask for, each statement as the database's role of organisers."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession

from admin.access.rules import Role
from payments.ledger.postings import OF_ORGANISERS, WHERE_MONEY_IS
from tests.admin.acting import AWA, REASON, YAO
from tests.admin.back_office import Office, open_office, open_ticket, other_organiser

MINE, MANAGER, AUDITOR = "mariam@demo.test", "konan@demo.test", "audit@demo.test"
WINDOW = {"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}


@pytest.fixture
async def office(database: Any) -> AsyncIterator[Office]:
    async with open_office(database.app_url) as opened:
        await opened.hire(AWA)
        await opened.hire(YAO, Role.FINANCE)
        await opened.hire(MINE, Role.OWNER, "demo")
        await opened.hire(MANAGER, Role.FINANCE, "demo")
        yield opened


async def call(client: ClientSession, method: str, path: str, body: object = None) -> tuple[int, Any]:
    given: dict[str, Any] = {"json": body} if body else {}
    async with client.request(method, f"/api/admin/{path}", **given) as answer:
        return answer.status, await answer.json()


async def test_an_organiser_asks_for_their_money_and_the_platform_agrees(office: Office) -> None:
    rig = office.rig
    rig.provider.can = replace(rig.provider.can, can_pay_out=True)
    await rig.counted()
    mine, colleague, yao = [await office.signed_in(email) for email in (MINE, MANAGER, YAO)]
    (account,) = rig.providers
    new = {"account": account, "country": "ci", "number": "0505060708", "name": "Mariam", "reason": REASON}
    await other_organiser(rig)
    assert (await call(mine, "POST", "beneficiaries", {**new, "organiser": "other"}))[0] == 404
    status, asked = await call(mine, "POST", "beneficiaries", {**new, "organiser": "demo"})
    assert (status, asked["status"]) == (201, "waiting")
    decision = {"approve": True}
    for organisers_own in (mine, colleague):
        assert (await call(organisers_own, "POST", f"requests/{asked['id']}/decision", decision))[0] == 403
    assert (await call(yao, "POST", f"requests/{asked['id']}/decision", decision))[1]["status"] == "done"
    _, found = await call(mine, "GET", "beneficiaries")
    (line,) = found["beneficiaries"]
    pay = {"contest": "star", "beneficiary": line["id"], "reason": REASON}
    status, asked = await call(mine, "POST", "payouts", pay)
    assert (status, asked["preview"]["amount_minor"]) == (201, 500)
    assert (await call(colleague, "POST", f"requests/{asked['id']}/decision", decision))[0] == 403
    assert (await call(yao, "POST", f"requests/{asked['id']}/decision", decision))[1]["status"] == "done"
    _, found = await call(mine, "GET", "payouts")
    (payout,) = found["payouts"]
    assert (payout["status"], payout["amount"]["amount"]) == ("due", 500)
    assert (await call(mine, "GET", f"payouts/{payout['reference']}/statement"))[0] == 200
    # A payout that waits for a person is ended by the platform, by whatever door it is asked for.
    end = {
        "act": "payout",
        "subject": payout["reference"],
        "reason": REASON,
        "params": {"step": "finish", "end": "done"},
    }
    assert (await call(mine, "POST", "requests", end))[0] == 403
    status, found = await call(mine, "POST", f"beneficiaries/{line['id']}/retire", {"reason": REASON})
    assert (status, found["beneficiaries"][0]["retiredAt"] is not None) == (200, True)
    assert [line.actor for line in await office.audit("beneficiary.retired")] == [MINE]


async def test_an_organiser_sees_whose_their_money_is_and_not_where(office: Office) -> None:
    await office.rig.counted()
    mine = await office.signed_in(MINE)
    _, found = await call(mine, "GET", "balances")
    accounts = {one["account"] for one in found["balances"]}
    assert {"sales", "organiser_payable"} <= accounts <= set(OF_ORGANISERS)
    _, found = await call(mine, "GET", "payouts/positions")
    assert [(one["contest"], one["payableMinor"]) for one in found["positions"] if one["owedMinor"]] == [("star", 500)]
    async with mine.get("/admin/ledger/journal.csv") as answer:
        journal = await answer.text()
    assert "organiser_payable" in journal
    assert not any(account.value in journal for account in WHERE_MONEY_IS)
    for path in ("/admin", "/admin/ledger", "/admin/payouts"):
        async with mine.get(path) as answer:
            assert answer.status == 200, path
            assert "/admin/reconciliation" not in await answer.text(), path


async def test_an_organisers_staff_act_on_their_own_orders(office: Office) -> None:
    rig = office.rig
    order, held = await rig.counted(), await rig.held(number="+2250501020305")
    ticket = await open_ticket(rig, order)
    await rig.callback(order, b"{}")
    mine, colleague = await office.signed_in(MINE), await office.signed_in(MANAGER)
    number = await rig.one("select id from callbacks")
    asked = []
    for act, subject, params in (
        ("void_window", "star", WINDOW),
        ("release_held", str(held.payment_reference), {}),
        ("refund_payment", str(order.payment_reference), {"ticket": ticket}),
        ("replay_callback", str(number), {}),
    ):
        body = {"act": act, "subject": subject, "reason": REASON, "params": params}
        status, made = await call(mine, "POST", "requests", body)
        assert status == 201, (act, made)
        asked.append(made["id"])
    void, release = asked[:2]
    assert (await call(mine, "GET", f"voids/{void}"))[1]["lines"][0]["votes"] == 10
    assert (await call(colleague, "POST", f"requests/{release}/decision", {"approve": True}))[1]["status"] == "done"
    assert await rig.status(held) == "settled"
    status, numbers = await call(mine, "POST", f"orders/{order.vote_id}/numbers", {"reason": REASON})
    assert (status, numbers["payer"]) == (200, "+2250501020304")
    status, left = await call(mine, "POST", f"tickets/{ticket}/close", {"reason": REASON})
    assert (status, left["tickets"]) == (200, [])
    _, found = await call(mine, "POST", "search", {"q": "0501020304"})
    assert [one["voteId"] for one in found["payments"]] == [str(order.vote_id)]
    async with mine.get(f"/admin/orders/{order.vote_id}") as answer:
        assert answer.status == 200


async def test_an_auditor_of_one_contest_reads_that_one_and_changes_nothing(office: Office) -> None:
    order = await office.rig.counted()
    await office.hire(AUDITOR, Role.AUDITOR, "demo", "star")
    client = await office.signed_in(AUDITOR)
    _, found = await call(client, "GET", "payouts/positions")
    assert [one["contest"] for one in found["positions"]] == ["star"]
    _, found = await call(client, "GET", "balances?asOf=2020-01-01T00:00:00Z")
    assert found == {"balances": []}
    _, found = await call(client, "GET", "balances")
    assert {one["contest"] for one in found["balances"]} == {"star"}
    async with client.get(f"/admin/orders/{order.vote_id}") as answer:
        assert answer.status == 200
    ask = {"act": "refund_payment", "subject": str(order.payment_reference), "reason": REASON}
    assert (await call(client, "POST", "requests", ask))[0] == 403


async def test_a_payout_goes_to_wallets_of_the_contests_currency(office: Office) -> None:
    rig, (account,) = office.rig, office.rig.providers
    await rig.counted()
    awa, yao = await office.signed_in(AWA), await office.signed_in(YAO)

    async def shown() -> str:
        async with awa.get("/admin/payouts") as answer:
            return await answer.text()

    offered = f'<option value="{account}">'
    assert offered not in await shown(), "an account that makes no payouts is not offered"
    rig.provider.can = replace(rig.provider.can, can_pay_out=True)
    assert offered in await shown()
    for country, number in (("ci", "0505060708"), ("cm", "677123456")):
        new = {"organiser": "demo", "account": account, "country": country, "number": number, "name": "Mariam"}
        _, asked = await call(awa, "POST", "beneficiaries", {**new, "reason": REASON})
        assert (await call(yao, "POST", f"requests/{asked['id']}/decision", {"approve": True}))[1]["status"] == "done"
    _, found = await call(yao, "GET", "beneficiaries")
    of = {line["country"]: line["id"] for line in found["beneficiaries"]}
    form = (await shown()).partition('name="subject" value="star"')[2].partition("</form>")[0]
    assert (of["CI"] in form, of["CM"] in form) == (True, False)
    pay = {"contest": "star", "beneficiary": of["CM"], "reason": REASON}
    status, refused = await call(awa, "POST", "payouts", pay)
    assert (status, "another currency" in refused["detail"]) == (409, True)
    assert (await call(awa, "POST", "payouts", {**pay, "beneficiary": of["CI"]}))[0] == 201
