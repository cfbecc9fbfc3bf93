"""What commands and other programs of staff do about money by `/api/admin`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import FormData

from admin.access.rules import Role
from tests.admin.back_office import Office, open_office, other_organiser

AWA, YAO, SITA, OTHER = (f"{name}@house.test" for name in ("awa", "yao", "sita", "other"))
REASON = "the voter called us"
Call = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
async def office(database: Any) -> AsyncIterator[Office]:
    async with open_office(database.app_url) as opened:
        await opened.hire(AWA)
        await opened.hire(YAO, Role.FINANCE)
        yield opened


async def program(office: Office, email: str) -> Call:
    """Calls the API as this person: method, path and body in; status and document out."""
    client, bearer = await office.browser(), {"Authorization": f"Bearer {await office.token(email)}"}

    async def call(method: str, path: str, body: object = None) -> tuple[int, Any]:
        given: dict[str, Any] = {"data": body} if isinstance(body, FormData) else {"json": body}
        async with client.request(method, f"/api/admin/{path}", headers=bearer, **(given if body else {})) as answer:
            return answer.status, await answer.json()

    return call


async def test_a_payment_goes_by_what_a_voter_can_tell(office: Office) -> None:
    order = await office.rig.counted()
    (codes,) = await office.rig.rows("select receipt, order_code from order_keys")
    awa = await program(office, AWA)
    words = (str(order.payment_reference), str(order.vote_id), codes.receipt.lower(), f" {codes.order_code} ")
    for word in words:
        status, made = await awa("POST", "requests", {"act": "refund_payment", "subject": word, "reason": REASON})
        assert (status, made["subject"]) == (201, str(order.payment_reference)), word
    for word in ("mistyped", str(uuid4())):
        status, body = await awa("POST", "requests", {"act": "refund_payment", "subject": word, "reason": REASON})
        assert (status, body["type"]) == (404, "/problems/unknown")
        assert word in body["detail"]


async def test_another_organisers_payment_is_unknown(office: Office) -> None:
    order = await office.rig.counted()
    await other_organiser(office.rig)
    await office.hire(OTHER, Role.FINANCE, organiser="other")
    other = await program(office, OTHER)
    ask = {"act": "refund_payment", "subject": str(order.payment_reference), "reason": REASON}
    assert (await other("POST", "requests", ask))[0] == 404
    awa = await program(office, AWA)
    _, made = await awa("POST", "requests", ask)
    assert (await other("GET", f"requests/{made['id']}"))[0] == 404
    assert (await other("POST", f"requests/{made['id']}/decision", {"approve": True}))[0] == 404
    assert await other("GET", "requests") == (200, {"requests": []})
    assert (await other("GET", f"voids/{made['id']}"))[0] == 404
    window = {"contest": "star", "from": "2020-01-01T00:00Z", "to": "2100-01-01T00:00Z"}
    assert (await other("POST", "voids/preview", window))[0] == 404
    assert await other("GET", "payouts/positions") == (200, {"positions": []})
    assert await other("GET", "balances") == (200, {"balances": []})
    for path in ("payouts/positions?contest=star", "balances?contest=star", "organisers/demo/fees"):
        assert (await other("GET", path))[0] == 404, path
    for path in ("trial", "differences", "statements"):
        assert (await other("GET", path))[0] == 403, path


async def test_requests_are_listed_by_act(office: Office) -> None:
    held, counted = await office.rig.held(), await office.rig.counted(number="+2250501020399")
    awa, yao = await program(office, AWA), await program(office, YAO)
    for act, order in (("release_held", held), ("refund_payment", counted)):
        ask = {"act": act, "subject": str(order.payment_reference), "reason": REASON}
        assert (await awa("POST", "requests", ask))[0] == 201

    async def listed(query: str) -> list[str]:
        status, found = await awa("GET", f"requests?{query}")
        assert status == 200
        return sorted(one["act"] for one in found["requests"])

    assert await listed("") == ["refund_payment", "release_held"]
    assert await listed("acts=release_held,refuse_held") == ["release_held"]
    assert await listed("acts=void_window") == []
    assert (await awa("GET", "requests?acts=vote"))[0] == 409
    (found,) = (await awa("GET", "requests?acts=release_held"))[1]["requests"]
    status, done = await yao("POST", f"requests/{found['id']}/decision", {"approve": True})
    assert (status, done["status"], done["outcome"]) == (200, "done", "5 votes counted")


async def test_a_window_is_voided_and_followed(office: Office) -> None:
    await office.rig.counted()
    awa, yao = await program(office, AWA), await program(office, YAO)
    ends = {"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}
    status, body = await awa("POST", "voids/preview", {"contest": "star", **ends})
    assert (status, body["preview"]["votes"]) == (200, 5)
    ask = {"act": "void_window", "subject": "star", "reason": REASON, "params": ends}
    _, made = await awa("POST", "requests", ask)
    _, done = await yao("POST", f"requests/{made['id']}/decision", {"approve": True})
    assert done["outcome"] == "1 of 1 payments, 5 votes, 500 XOF"
    status, body = await yao("GET", f"voids/{made['id']}")
    assert (status, body["status"]) == (200, "done")
    (line,) = body["lines"]
    assert (line["votesDone"], line["moneyDoneMinor"], line["skipped"]) == (5, 500, 0)
    order = await office.rig.counted(number="+2250501020399")
    _, made = await awa("POST", "requests", {"act": "refund_payment", "subject": str(order.vote_id), "reason": REASON})
    assert (await yao("GET", f"voids/{made['id']}"))[0] == 404


async def test_a_beneficiary_by_two_persons_and_an_organiser_frozen(office: Office) -> None:
    provider = office.rig.provider
    provider.can = replace(provider.can, can_pay_out=True)
    await office.rig.counted()
    await office.hire(SITA, Role.SUPPORT)
    awa, yao, sita = await program(office, AWA), await program(office, YAO), await program(office, SITA)
    (account,) = office.rig.providers
    new = {
        "organiser": "demo",
        "account": account,
        "country": "ci",
        "number": "0505060708",
        "name": "Awa",
        "reason": REASON,
    }
    assert (await sita("POST", "beneficiaries", new))[0] == 403
    assert (await awa("POST", "beneficiaries", {**new, "account": "wave"}))[0] == 409
    assert (await awa("POST", "beneficiaries", {**new, "organiser": "unknown"}))[0] == 404
    status, made = await awa("POST", "beneficiaries", new)
    assert (status, made["act"], made["status"]) == (201, "beneficiary", "waiting")
    decision = f"requests/{made['id']}/decision"
    assert (await awa("POST", decision, {"approve": True}))[1]["type"] == "/problems/own_request"
    assert (await yao("POST", decision, {"approve": True}))[1]["status"] == "done"
    _, found = await yao("GET", "beneficiaries?organiser=demo")
    (line,) = found["beneficiaries"]
    assert (line["confirmedBy"], line["number"]) == (YAO, "+225 05 •• •• 07 08")
    _, found = await yao("GET", "payouts/positions?contest=star")
    (position,) = found["positions"]
    assert (position["organiser"], position["payableMinor"], position["frozen"]) == ("demo", 500, False)
    freeze = {"frozen": True, "reason": REASON}
    assert await awa("POST", "organisers/demo/freeze", freeze) == (200, {"organiser": "demo", "frozen": True})
    assert (await awa("POST", "organisers/unknown/freeze", freeze))[0] == 404
    pay = {"contest": "star", "beneficiary": line["id"], "reason": REASON}
    status, body = await awa("POST", "payouts", pay)
    assert (status, "frozen" in body["detail"]) == (409, True)
    await awa("POST", "organisers/demo/freeze", {"frozen": False, "reason": REASON})
    status, asked = await awa("POST", "payouts", pay)
    assert (status, asked["params"]["amount_minor"]) == (201, 500), "without an amount, all that is payable"
    assert (await yao("POST", f"requests/{asked['id']}/decision", {"approve": True}))[1]["status"] == "done"
    _, found = await yao("GET", "payouts?contest=star")
    (payout,) = found["payouts"]
    assert (payout["status"], payout["amount"]["amount"]) == ("due", 500)
    _, papers = await yao("GET", f"payouts/{payout['reference']}/statement")
    assert str(payout["reference"]) in papers["text"]
    assert papers["csv"].startswith("payout,contest")
    finish = {"end": "done", "operatorReference": "MP1", "reason": REASON}
    assert (await awa("POST", f"payouts/{payout['reference']}/finish", finish))[0] == 409, (
        "it waits for no second person"
    )
    status, found = await awa("POST", f"beneficiaries/{line['id']}/retire", {"reason": REASON})
    assert (status, found["beneficiaries"][0]["retiredAt"] is not None) == (200, True)
    assert (await awa("POST", f"beneficiaries/{uuid4()}/retire", {"reason": REASON}))[0] == 404
    assert (await awa("GET", f"payouts/{uuid4()}/statement"))[0] == 404
    assert (await awa("GET", "payouts/positions?contest=nothing"))[0] == 404
    assert await awa("GET", "payouts?contest=nothing") == (200, {"payouts": []})


async def test_statements_and_wallets(office: Office) -> None:
    awa = await program(office, AWA)
    assert await awa("POST", "wallets/check") == (200, {"wallets": []})
    assert (await awa("GET", "differences?group=nothing"))[0] == 404
    assert await awa("GET", "differences?provider=mtn_momo&all=true") == (200, {"differences": []})
    assert await awa("GET", "differences/groups?provider=mtn_momo") == (200, {"groups": []})
    assert (await awa("POST", f"statements/{uuid4()}/undo", {"reason": REASON}))[0] in (404, 409)

    def file(content: bytes) -> FormData:
        form = FormData({"account": "mtn_momo"})
        form.add_field("file", content, filename="november.csv", content_type="text/csv")
        return form

    assert (await awa("POST", "statements", file(b"")))[1]["type"] == "/problems/no_file"
    status, problem = await awa("POST", "statements", file(b"a,b"))
    assert (status, "mtn_momo" in problem["detail"]) == (404, True), "no account at an operator is set up here"
    await office.hire(SITA, Role.SUPPORT)
    sita = await program(office, SITA)
    for path, body in (("statements", file(b"a,b")), ("wallets/check", None)):
        assert (await sita("POST", path, body))[0] == 403


async def test_our_share_is_changed_by_two_of_the_platform(office: Office) -> None:
    await office.hire(SITA, Role.OWNER, "demo")
    awa, yao, sita = [await program(office, person) for person in (AWA, YAO, SITA)]
    path = "organisers/demo/fees"
    assert await awa("GET", path) == (200, {"plans": []})
    plan = {"currency": "XOF", "percentBp": 750, "minimumMinor": 5, "reason": REASON}
    assert (await sita("POST", path, plan))[0] == 403
    status, asked = await yao("POST", path, plan | {"method": "CARD"})
    assert (status, asked["act"], asked["status"], asked["preview"]["percent"]) == (
        201,
        "fees",
        "waiting",
        "7.50 %",
    )
    decision = f"requests/{asked['id']}/decision"
    assert (await yao("POST", decision, {"approve": True}))[1]["type"] == "/problems/own_request"
    assert (await sita("POST", decision, {"approve": True}))[0] == 404
    assert await sita("GET", path) == (200, {"plans": []})
    assert (await awa("POST", decision, {"approve": True}))[1]["status"] == "done"
    _, found = await sita("GET", path)
    (made,) = found["plans"]
    assert (made["method"], made["percentBp"], made["minimumMinor"], made["createdBy"]) == ("CARD", 750, 5, YAO)
    (line,) = await office.audit("fees.set")
    assert (line.actor, line.detail["approved_by"]) == (YAO, AWA)
    for wrong in ({"currency": "XXX"}, {"percentBp": 10_001}, {"minimumMinor": -1}, {"validFrom": "2100-01-01T00:00"}):
        assert (await awa("POST", path, plan | wrong))[0] == 422, wrong
    status, problem = await awa("POST", path, plan | {"validFrom": "2026-01-01T00:00Z"})
    assert (status, "past" in problem["detail"]) == (409, True)
    again = {"validFrom": made["validFrom"], "method": "CARD"}
    assert "already" in (await awa("POST", path, plan | again))[1]["detail"]
    assert (await awa("POST", "organisers/unknown/fees", plan))[0] == 404
    for act in ({"currency": "XOF", "percent_bp": 10_001}, {"currency": "XOF", "method": "COWRIES"}, {"currency": "X"}):
        body = {"act": "fees", "subject": "demo", "reason": REASON, "params": act}
        assert (await awa("POST", "requests", body))[0] == 409, act
