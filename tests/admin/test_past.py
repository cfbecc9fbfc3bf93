"""The back office as of an earlier moment: the same pages and answers, with what was known by then, and no way to
change anything."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from aiohttp import ClientSession
from sqlalchemy import text

from admin.access.rules import Role
from payments.requests import Act
from tests.admin.acting import AUDIT, AWA, OTHER, REASON, YAO
from tests.admin.acting import office as office
from tests.admin.back_office import Office, open_ticket
from tests.admin.test_reconciliation import import_three_of_unknown_payers


async def now(office: Office) -> str:
    """A moment between what happened and what comes."""
    at: datetime = await office.rig.one("select clock_timestamp()")
    return at.astimezone(UTC).isoformat()


async def read(client: ClientSession, path: str, at: str | None = None) -> Any:
    async with client.get(f"/api/admin/{path}", params={"asOf": at} if at else {}) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def test_an_order_is_shown_as_it_stood_then(office: Office) -> None:
    rig = office.rig
    await office.hire(AUDIT, Role.AUDITOR, "demo", "star")
    audit = await office.signed_in(AUDIT)
    start = await now(office)
    order = await rig.counted()
    counted = await now(office)
    asked = await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, AWA)
    waiting = await now(office)
    await rig.acts.decide(asked, YAO, approve=True)
    decided = await now(office)
    await rig.refund()
    place = f"orders/{order.vote_id}"
    async with audit.get(f"/api/admin/{place}", params={"asOf": start}) as answer:
        assert answer.status == 404
    for at, status, refunds, request in (
        (counted, "settled", [], None),
        (waiting, "settled", [], "waiting"),
        (decided, "refund_due", ["due"], "done"),
        (None, "refund_due", ["sent"], "done"),
    ):
        story = await read(audit, place, at)
        assert [one["status"] for one in story["payments"]] == [status]
        assert [one["status"] for one in story["refunds"]] == refunds
        assert [one["now"] for one in story["story"] if one["kind"] == "request"] == ([request] if request else [])
        assert (await read(audit, "waiting", at))["requests"] == (request == "waiting")
        listed = (await read(audit, "requests", at))["requests"]
        assert [one["status"] for one in listed] == (["waiting"] if request == "waiting" else [])
        sums = [(one["status"], one["count"]) for one in (await read(audit, "waiting", at))["refunds"]]
        assert sums == [(status, 1) for status in refunds]
        assert [one["status"] for one in (await read(audit, "refunds", at))["refunds"]] == refunds
    async with audit.get(f"/api/admin/requests/{asked}", params={"asOf": counted}) as answer:
        assert answer.status == 404
    held = (await read(audit, f"requests/{asked}", waiting), await read(audit, f"requests/{asked}"))
    assert [(one["status"], one["decidedBy"]) for one in held] == [("waiting", None), ("done", YAO)]


async def test_what_waits_for_a_person_waited_then(office: Office) -> None:
    rig = office.rig
    client = await office.signed_in(AWA)
    before = await now(office)
    held = await rig.held(number="+2250501020305")
    ticket = await open_ticket(rig, held)
    then = await now(office)
    asked = await rig.acts.ask(Act.REFUSE_HELD, str(held.payment_reference), {}, REASON, AWA)
    if (await rig.rows("select status from staff_requests where id = :id", id=asked))[0].status == "waiting":
        await rig.acts.decide(asked, YAO, approve=True)
    async with client.post(f"/api/admin/tickets/{ticket}/close", json={"reason": REASON}) as answer:
        assert answer.status == 200, await answer.text()
    for at, many in ((before, 0), (then, 1), (None, 0)):
        waits = await read(client, "waiting", at)
        assert (waits["held"], waits["tickets"]) == (many, many)
        assert len((await read(client, "held", at))["held"]) == many
        tickets = (await read(client, "tickets", at))["tickets"]
        assert [(one["ticket"], one["paymentStatus"]) for one in tickets] == [(ticket, "held")] * many
        book = (await read(client, "balances", at))["balances"]
        assert any(one["account"] == "held_funds" for one in book) == bool(many)


async def test_a_page_shows_the_moment_that_was_chosen_until_the_present_is_chosen(office: Office) -> None:
    rig = office.rig
    order = await rig.counted()
    then = await now(office)
    await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, AWA)
    client = await office.signed_in(AWA)
    page = f"/admin/orders/{order.vote_id}"

    async def shown(address: str, status: int = 200) -> str:
        async with client.get(address) as answer:
            assert answer.status == status, await answer.text()
            return await answer.text()

    assert "refund_payment" in await shown(page)
    await shown(f"/admin?asOf={then.replace('+', '%2B')}")
    past = await shown(page)
    assert "refund_payment" not in past
    assert "État au" in past
    assert 'href="/admin/people"' not in past
    assert "Seulement au présent" in await shown("/admin/people", 403)
    # Who looks at the past and sends a form of another tab is refused.
    token = past.split('name="form" value="')[1].split('"')[0]
    sent = {"act": "refund_payment", "subject": str(order.payment_reference), "reason": REASON, "form": token}
    async with client.post("/admin/void", data=sent) as answer:
        assert answer.status in (403, 405)
    assert "Cette page montre le présent" in await shown("/admin/contests")
    await shown("/admin?asOf=yesterday", 400)
    for odd in ("0001-01-01T00:00%2B14:00", "0001-01-01T00:00", "9999-12-31T23:59"):
        await shown(f"/admin?asOf={odd}", 400)
    await shown("/admin?asOf=")
    assert "refund_payment" in await shown(page)
    await shown("/admin/people")


async def test_a_typed_moment_is_one_of_the_contests_clocks(office: Office) -> None:
    rig = office.rig
    order = await rig.counted()
    client = await office.signed_in(AWA)
    async with rig.engine.begin() as connection:
        await connection.execute(text("update contests set time_zone = 'Africa/Douala', version = version + 1"))
    await rig.directory.refresh()
    at: datetime = await rig.one("select now()")
    local = (at + timedelta(hours=1, seconds=1)).replace(tzinfo=None).isoformat(timespec="seconds")
    async with client.get(f"/admin/orders/{order.vote_id}", params={"asOf": local}) as answer:
        assert answer.status == 200
        shown = await answer.text()
    assert f'value="{local}"' in shown
    assert "GMT+1" in shown
    too_early = (at - timedelta(minutes=1)).replace(tzinfo=None).isoformat(timespec="seconds")
    async with client.get(f"/admin/orders/{order.vote_id}", params={"asOf": too_early}) as answer:
        assert answer.status == 404


async def test_the_tally_is_read_entry_by_entry_as_of_any_moment(office: Office) -> None:
    rig = office.rig
    await office.hire(AUDIT, Role.AUDITOR, "demo", "star")
    audit = await office.signed_in(AUDIT)
    start = await now(office)
    order = await rig.counted()
    await rig.counted(number="+2250501020307")
    counted = await now(office)
    asked = await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, AWA)
    await rig.acts.decide(asked, YAO, approve=True)
    for at, entries, votes in ((start, 0, 0), (counted, 2, 10), (None, 3, 5)):
        tally = await read(audit, "contests/star/tally", at)
        assert (tally["entriesCounted"], tally["votes"], len(tally["entries"])) == (entries, votes, entries)
        first = tally["ranking"][0]
        assert (first["rank"], first["votes"], first["amount"]["amount"]) == (1, votes, votes * 100)
    assert [one["version"] for one in (await read(audit, "contests/star/rules"))["versions"]] == [1]
    assert await read(audit, "contests/star/rules", "2020-01-01T00:00:00Z") == {"versions": []}
    # Votes of rounds are added up, and whoever is evicted keeps theirs here.
    async with rig.engine.begin() as connection:
        await connection.execute(
            text(
                "insert into candidate_totals (candidate_id, round, contest_id, votes, amount_minor) select id, n,"
                " contest_id, 3, 300 from candidates, generate_series(1, 2) n where code = '08' and contest_id = :star"
            ),
            {"star": rig.contest.id},
        )
        await connection.execute(text("update candidates set status = 'evicted', evicted_at = now() where code = '08'"))
    places = (await read(audit, "contests/star/tally"))["ranking"]
    assert [(one["rank"], one["code"], one["votes"]) for one in places[:2]] == [(1, "08", 6), (2, "07", 5)]
    back, *_, vote = tally["entries"]
    assert (back["seq"], back["kind"], back["votes"], back["adjusts"]) == (3, "adjustment", -5, 1)
    assert (vote["seq"], vote["voteId"], vote["payer"][:4]) == (1, str(order.vote_id), "+225")
    earlier = await read(audit, "contests/star/tally?cursor=2")
    assert [one["seq"] for one in earlier["entries"]] == [1]
    async with audit.get("/admin/contests/star/tally.csv", params={"asOf": counted}) as answer:
        lines = (await answer.text()).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("seq,counted_at,kind")
    hashed = sha256(vote["receipt"].encode()).hexdigest()
    assert hashed in lines[1]
    assert vote["receipt"] not in lines[1]
    async with audit.get("/admin/contests/star/tally") as answer:
        assert "retire le n° 1" in await answer.text()


async def test_the_log_of_a_contest_names_who_did_what(office: Office) -> None:
    rig = office.rig
    await office.hire(AUDIT, Role.AUDITOR, "demo", "star")
    audit = await office.signed_in(AUDIT)
    order, start = await rig.counted(), await now(office)
    asked = await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, AWA)
    await rig.acts.decide(asked, YAO, approve=True)
    change = {"status": "withdrawn", "reason": "elle part"}
    client = await office.signed_in(AWA)
    async with client.patch("/api/admin/contests/star/candidates/07", json=change) as answer:
        assert answer.status == 200, await answer.text()
    before = (await read(audit, "contests/star/log", start))["lines"]
    assert [(line["act"], line["subject"]) for line in before] == [("staff.created", AUDIT)]
    lines = (await read(audit, "contests/star/log"))["lines"]
    acts = ["candidate.withdrawn", "refund_payment.done", "refund_payment.approved", "refund_payment.asked"]
    assert [(line["act"], line["actor"]) for line in lines[:-1]] == list(zip(acts, (AWA, AWA, YAO, AWA), strict=True))
    assert {"what": "candidate 07 status", "before": "approved", "after": "withdrawn"} in lines[0]["changes"]
    async with audit.get("/admin/contests/star/log") as answer:
        shown = await answer.text()
    for words in ("Candidat retiré", "elle part", "Rembourser le paiement\u00a0: accepté", "approuvé"):
        assert words in shown
    # What is about no contest of theirs, they do not read.
    await office.hire(OTHER, Role.MANAGER, "demo")
    assert OTHER in [line.subject for line in await office.audit("staff.created")]
    assert (await read(audit, "contests/star/log"))["lines"] == lines


async def test_candidates_stand_as_they_stood_then(office: Office) -> None:
    await office.hire(AUDIT, Role.AUDITOR, "demo", "star")
    audit, awa = await office.signed_in(AUDIT), await office.signed_in(AWA)
    place = "contests/star/candidates"
    start = await now(office)

    async def change(path: str, body: dict[str, Any], method: str = "PATCH") -> Any:
        async with awa.request(method, f"/api/admin/{place}{path}", json=body) as answer:
            assert answer.status in (200, 201), await answer.text()
            return await answer.json()

    await office.rig.counted()
    await change("/07", {"status": "evicted", "reason": "moins de voix", "name": "Fatou Cissé"})
    evicted = await now(office)
    await change("/07", {"status": "approved", "reason": "recompté"})
    await change("", {"name": "Zoé Ehouman", "category": "Chant"}, "POST")
    code = (await read(audit, place))["candidates"][-1]["code"]
    for at, name, status, votes, many in (
        (start, "Fatou Coulibaly", "approved", 0, -1),
        (evicted, "Fatou Cissé", "evicted", 5, -1),
        (None, "Fatou Cissé", "approved", 5, 0),
    ):
        one = await read(audit, f"{place}/07", at)
        assert (one["name"], one["status"], one["votes"]) == (name, status, votes)
        assert bool(one["evictedAt"]) == (status == "evicted")
        found = (await read(audit, place, at))["candidates"]
        assert (found[-1]["code"] == code) == (many == 0)
        past = await read(audit, f"{place}/07/history", at)
        assert len(past["standing"]) == (0, 1, 2)[(start, evicted, None).index(at)]
    async with audit.get(f"/api/admin/{place}/{code}", params={"asOf": evicted}) as answer:
        assert answer.status == 404
    async with audit.get("/admin/contests/star/candidates/07", params={"asOf": evicted}) as answer:
        shown = await answer.text()
    assert "Une photo retirée ou remplacée depuis" in shown
    assert "moins de voix" in shown


async def test_differences_and_statements_are_those_of_then(office: Office) -> None:
    rig, awa = office.rig, await office.signed_in(AWA)
    before = await now(office)
    await import_three_of_unknown_payers(office)
    found = await now(office)
    async with rig.engine.begin() as connection:
        await connection.execute(
            text(
                "update differences set status = 'resolved', resolution = 'came_in', resolved_by = 'spotlight',"
                " resolved_at = now() where id = (select min(id) from differences)"
            )
        )
    for at, lines, still in ((before, 0, 0), (found, 3, 3), (None, 3, 2)):
        listed = (await read(awa, "differences?all=true", at))["differences"]
        assert ([one["status"] for one in listed].count("open"), len(listed)) == (still, lines)
        assert len((await read(awa, "differences", at))["differences"]) == still
        files = (await read(awa, "statements", at))["statements"]
        assert [one["open"] for one in files] == ([still] if lines else [])
    async with awa.get("/admin/reconciliation", params={"asOf": found, "all": "1"}) as answer:
        shown = await answer.text()
    assert shown.count("aucun de nos paiements") == 3
    assert "ceux de ce moment" in shown
