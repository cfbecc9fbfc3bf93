"""From a contest that is over to a result that two persons signed, and to the next one."""

import io
import json
import re
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID
from zipfile import ZipFile

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from admin.access.rules import Role
from admin.approvals.staff_acts import APPROVALS
from admin.result import store
from admin.result.store import Certifying
from leaderboard.log.audit import audit_logs
from leaderboard.log.kit import recount
from leaderboard.log.kit.pack import Kits
from leaderboard.log.store import PublicLogs
from leaderboard.result.public import shown_versions
from leaderboard.result.store import CertifiedResults
from payments.requests import Act, ActRefused, RequestStatus
from tests.admin.acting import AWA, REASON, SITA, YAO, asked_last
from tests.admin.acting import office as office
from tests.admin.back_office import Office
from tests.leaderboard.log.test_build import builder_of

PAGE = "/admin/contests/star/result"
API = "/api/admin/contests/star/result"
EVE = "eve@house.test"


async def over(office: Office) -> None:
    """Voting for the contest and the time for late payments end."""
    await office.rig.new_rules(closes_at=await office.rig.now() - timedelta(seconds=2), late_seconds=0)
    await signed(office)


async def signed(office: Office) -> None:
    """The log has all that is counted, and signs it."""
    builder = builder_of(office.rig)
    while await builder.build():
        pass


async def change(office: Office, statement: str, **values: object) -> None:
    async with office.rig.engine.begin() as connection:
        await connection.execute(text(statement), values)


async def move(office: Office, client: Any, status: str) -> None:
    """Candidate 03 comes to another state, of which the log knows."""
    body = {"status": status, "reason": "vote de la salle"}
    async with client.patch("/api/admin/contests/star/candidates/03", json=body) as answer:
        assert answer.status == 200, await answer.text()
    await change(office, "update log_heads set checked_at = now() - interval '2 minutes'")
    await signed(office)


async def left(office: Office, client: Any) -> set[str]:
    """What stands against certifying."""
    async with client.get(API) as answer:
        state = await answer.json()
    open_ = {line["what"] for line in state["lines"] if not line["done"]}
    assert state["ready"] is (not open_)
    return open_


async def test_a_result_is_certified_by_two_once_nothing_is_open(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = office.rig
    for email, name in ((SITA, "Sita Koné"), (EVE, "Ève Kouassi")):
        await office.hire(email, Role.MANAGER, "demo")
        person = await office.signed_in(email)
        assert (await office.form(person, "/admin/me", name="—"))[0] == 422
        status, page = await office.form(person, "/admin/me", name=f" {name}  ")
        assert (status, f'value="{name}"' in page) == (200, True)
    await change(office, "update staff set name = '' where email = :email", email=YAO)
    sita, eve = await office.signed_in(SITA), await office.signed_in(EVE)
    first = await rig.counted()
    await rig.counted(number="+2250501020305", code="03", quantity=2)
    assert await left(office, sita) == {"voting", "late", "log"}
    unpaid = await rig.placed(number="+2250501020306", code="01")
    await over(office)
    assert await left(office, sita) == {"pending"}
    await change(office, "update payments set status = 'expired' where status = 'created'")
    assert await left(office, sita) == set()

    def unpaid_as(status: str) -> str:
        return f"update payments set status = '{status}' where reference = '{unpaid.payment_reference}'"

    # Whatever is open keeps everybody from asking.
    for what, open_it, end_it in (
        ("provisional", "update payments set provisional = true", "update payments set provisional = false"),
        ("pending", unpaid_as("pending"), unpaid_as("expired")),
        ("held", unpaid_as("held"), unpaid_as("expired")),
        (
            "differences",
            "insert into differences (provider, kind, currency, detail, amount_minor, contest_id) select 'mtn_momo',"
            " 'amount', 'XOF', 'test', 1, id from contests where slug = 'star'",
            "update differences set status = 'resolved', resolution = 'accept', resolved_at = now()",
        ),
        (
            "disputes",
            "insert into disputes (reference, provider, operator_reference, code, currency, status, payment_reference,"
            " contest_id, amount_minor) select gen_random_uuid(), 'stripe', 'dp_1', 'fraud', 'XOF', 'open', reference,"
            " contest_id, amount_minor from payments limit 1",
            "update disputes set status = 'won', closed_at = now()",
        ),
    ):
        await change(office, open_it)
        assert await left(office, sita) == {what}
        async with sita.post(API, json={"reason": REASON}) as answer:
            assert (answer.status, "its page lists" in (await answer.json())["detail"]) == (409, True), what
        await change(office, end_it)
    refund = await rig.acts.ask(Act.REFUND_PAYMENT, str(first.payment_reference), {}, REASON, YAO)
    assert await left(office, sita) == {"requests"}
    await rig.acts.decide(refund, "awa@house.test", approve=False)

    # Two accounts of one name are no two persons.
    acts = office.app[APPROVALS]
    asked = await acts.ask(Act.CERTIFY_RESULT, "star", {}, REASON, SITA)
    await change(office, "update staff set name = 'SITA koné' where email = :email", email=EVE)
    assert "two persons sign" in (await acts.decide(asked, EVE, approve=True)).text
    await change(office, "update staff set name = 'Ève Kouassi' where email = :email", email=EVE)

    # One asks by the page; not the same person agrees, and nobody without a name.
    status, page = await office.form(
        sita, f"{PAGE}?lang=en", "/admin/acts", act="certify_result", subject="star", reason=REASON
    )
    assert (status, "Four words" in page) == (200, True)
    asked = UUID(await asked_last(office))
    with pytest.raises(ActRefused, match="another person must decide"):
        await acts.decide(asked, SITA, approve=True)
    with pytest.raises(ActRefused, match="lacks certify"):
        await acts.decide(asked, YAO, approve=True)
    status, page = await office.form(eve, f"/admin/requests/{asked}?lang=en", decision="approve")
    assert (status, "The result is certified, as no. 1." in page) == (200, True)
    (kept,) = await rig.rows("select * from certified_results")
    document = json.loads(kept.document)
    assert sha256(kept.document.encode()).digest() == bytes(kept.sha256)
    assert [(one["rank"], one["code"], one["votes"]) for one in document["boards"][0]["places"][:2]] == [
        (1, "07", 5),
        (2, "03", 2),
    ]
    assert [(one["name"], one["organisation"]) for one in document["signed_by"]] == [
        ("Sita Koné", "Spotlight Démo"),
        ("Ève Kouassi", "Spotlight Démo"),
    ]
    assert (document["votes"], document["amounts"], document["entries"]) == (7, {"XOF": 700}, 2)
    newest = await rig.rows("select size, root from log_checkpoints order by size desc limit 1")
    assert (document["log"]["size"], document["log"]["root"]) == (newest[0].size, bytes(newest[0].root).hex())
    assert "@" not in kept.document
    with pytest.raises(DBAPIError, match="permission denied"):
        await change(office, "update certified_results set reason = 'x'")
    # The public log names it, before anything else is counted.
    assert await left(office, sita) == {"log"}
    await signed(office)
    leaf = await rig.one("select leaf from log_leaves order by index desc limit 1")
    assert json.loads(leaf)["sha256"] == bytes(kept.sha256).hex()
    with pytest.raises(DBAPIError, match="append-only"):
        await change(office, "update certified_results set leaf = 0")

    # A refund afterwards makes another one, which says why; what is counted meanwhile was not agreed to.
    refund = await rig.acts.ask(Act.REFUND_PAYMENT, str(first.payment_reference), {}, REASON, YAO)
    await rig.acts.decide(refund, "awa@house.test", approve=True)
    assert await left(office, sita) == {"log"}
    async with sita.get(f"{PAGE}?lang=en") as answer:
        assert "Lines added to the count since: 1" in await answer.text()
    await signed(office)
    async with sita.post(API, json={"reason": "Un vote a été remboursé."}) as answer:
        assert answer.status == 201, await answer.text()
    asked = UUID(await asked_last(office))
    await move(office, sita, "evicted")
    outcome = await acts.decide(asked, EVE, approve=True)
    assert "ask again" in outcome.text
    await move(office, sita, "approved")
    asked = await acts.ask(Act.CERTIFY_RESULT, "star", {}, "Un vote a été remboursé.", SITA)
    # A long tally is left to a worker.
    monkeypatch.setattr(store, "AUDITED_AT_ONCE", 1)
    outcome = await acts.decide(asked, EVE, approve=True)
    assert (outcome.status, outcome.text) == (
        RequestStatus.APPROVED,
        "every vote that was counted is being checked once more",
    )
    request = await acts.requests.read(asked, None)
    assert request is not None
    workers = Certifying(rig.engine, rig.vault, rig.engine)
    for _ in range(2):  # as two workers would
        assert (await workers.carry_out(request)).outcome == "the result is certified, as number 2"
    assert await acts.requests.finish(asked, RequestStatus.DONE, "the result is certified, as number 2")
    monkeypatch.undo()
    rows = await rig.rows("select number, reason, document from certified_results order by number")
    assert [(row.number, row.reason) for row in rows] == [(1, ""), (2, "Un vote a été remboursé.")]
    second = json.loads(rows[1].document)
    assert [one["code"] for one in second["boards"][0]["places"] if one.get("reinstated")] == ["03"]
    assert second["replaces"] == {
        "number": 1,
        "sha256": bytes(kept.sha256).hex(),
        "reason": "Un vote a été remboursé.",
    }
    async with eve.get(f"{PAGE}?lang=en") as answer:
        page = await answer.text()
    assert "Certified result no. 2" in page
    assert "made because: Un vote" in page
    async with eve.get("/admin/contests/star/log?lang=en") as answer:
        assert "Result certified" in await answer.text()

    # A stranger's recount gives both.
    await signed(office)
    kits = Kits(rig.engine)
    kit, dark = await kits.find(rig.contest.id), await kits.find(rig.contest.id, hidden=True)
    assert kit is not None
    assert dark is not None
    assert (kit.results, dark.results) == (2, 0)
    packed = b"".join([piece async for piece in kits.packed(kit)])
    ZipFile(io.BytesIO(packed)).extractall(tmp_path)
    found = recount.recount(tmp_path)
    assert found.report.faults == []
    assert [values["number"] for key, values in found.report.remarks if key == "certified"] == [1, 2]

    # Totals that are not the sum of what was counted are found before anything is signed.
    asked = await acts.ask(Act.CERTIFY_RESULT, "star", {}, REASON, EVE)
    await change(office, "update candidate_totals set votes = votes + 1 where votes > 0")
    outcome = await acts.decide(asked, SITA, approve=True)
    assert re.fullmatch("the check of every counted vote found [1-9] faults", outcome.text)
    await change(office, "update staff set name = '' where email = :email", email=SITA)
    with pytest.raises(ActRefused, match="has no name"):
        await acts.ask(Act.CERTIFY_RESULT, "star", {}, REASON, SITA)
    assert await rig.one("select count(*) from certified_results") == 2

    # Its jury stays as it is.
    await change(
        office, "insert into jurors (contest_id, number, name, made_by) select id, 1, 'Awa', 'x' from contests"
    )
    for act in (sita.patch, sita.delete):
        async with act("/api/admin/contests/star/jury/jurors/1", json={"name": "Ada"}) as answer:
            assert (answer.status, "is certified" in await answer.text()) == (409, True)

    # Nor does a row make a result that nobody signed.
    await change(
        office,
        "insert into certified_results (contest_id, number, document, sha256, reason, request_id, made_at)"
        " select contest_id, 3, '{}', sha256('{}'), 'x', :request, now() from certified_results where number = 2",
        request=asked,
    )
    faults = await audit_logs(rig.engine, rig.vault)
    assert "certified result 3: no two persons signed it" in faults["star"]
    assert not any("result 2" in one for one in faults["star"])


async def test_what_is_certified_in_a_sealed_hour_is_read_and_recounted_after_it(
    office: Office, tmp_path: Path
) -> None:
    rig = office.rig
    await change(office, "update staff set name = email")
    await change(office, "update staff set role = 'owner'")
    await rig.counted(quantity=3)
    await signed(office)
    await change(office, "update contests set hidden_from = now(), blackout_sealed = true where slug = 'star'")
    await rig.counted(number="+2250501020305", code="03", quantity=9)
    await over(office)
    acts, results, kits = office.app[APPROVALS], CertifiedResults(rig.engine), Kits(rig.engine)
    asked = await acts.ask(Act.CERTIFY_RESULT, "star", {}, REASON, AWA)
    assert (await acts.decide(asked, YAO, approve=True)).text == "the result is certified, as number 1"
    await signed(office)

    async def recounted(name: str, *, hidden: bool) -> tuple[list[str], list[str]]:
        kit = await kits.find(rig.contest.id, hidden=hidden)
        assert kit is not None
        packed = b"".join([piece async for piece in kits.packed(kit)])
        ZipFile(io.BytesIO(packed)).extractall(tmp_path / name)
        report = recount.recount(tmp_path / name).report
        return [one.key for one in report.faults], [key for key, _ in report.remarks]

    await rig.directory.refresh()
    versions, now = await results.versions(rig.contest.id), await rig.now()
    assert (len(versions), shown_versions(rig.contest, versions, now)) == (1, [])
    stand = await PublicLogs(rig.engine).stand(rig.contest.id)
    assert stand is not None
    assert stand.sealing is not None
    assert (stand.sealing.entries, stand.size) == (1, 6)
    faults, remarks = await recounted("dark", hidden=True)
    assert (faults, "result_hidden" in remarks, "certified" in remarks) == ([], True, False)
    await change(office, "update contests set announced_at = now() where slug = 'star'")
    await change(office, "update log_seals set released_at = now(), asked_by = 'a', agreed_by = 'b'")
    await signed(office)
    await rig.directory.refresh()
    assert shown_versions(rig.contest, versions, await rig.now()) == versions
    faults, remarks = await recounted("shown", hidden=False)
    assert (faults, "opened" in remarks, "certified" in remarks) == ([], True, True)
