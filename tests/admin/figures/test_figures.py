"""The first page and the summary, over real payments."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from admin.access.rules import Role
from admin.access.words import word_of
from admin.figures.store import Figures
from channels.messages.dialogue_steps import DialogueStep, DialogueSteps
from channels.voting_service import VOTING_SERVICE
from gateway.http.pages import Pages
from gateway.orders.rules import PlacedOrder
from payments.lifecycle import REASONS
from payments.provider import Failed, PayerReason, StatusReport, StillOpen
from payments.rollups.store import Rollups
from tests.admin.back_office import Office, open_office
from tests.engines import Database
from tests.rigs.scripted_provider import paid

AWA = "awa@house.test"


@pytest.fixture
async def office(database: Database) -> AsyncIterator[Office]:
    async with open_office(database.app_url) as opened:
        await opened.hire(AWA)
        await opened.hire("koffi@demo.test", Role.OWNER, "demo")
        yield opened


async def test_an_evening_at_a_glance(office: Office) -> None:
    rig = office.rig
    await rig.counted()
    await rig.counted(number="+2250501020305", code="03", quantity=2)
    await rig.held(number="+2250501020306")
    await rig.late(number="+2250501020307")
    await Rollups(rig.engine).catch_up()
    steps = DialogueSteps(rig.engine, office.now)
    for step in (DialogueStep.DIALLED, DialogueStep.DIALLED, DialogueStep.CHOSEN):
        steps.note(rig.contest.id, step)
    await steps.aclose()
    client = await office.signed_in("koffi@demo.test")
    async with client.get("/api/admin/contests/star/summary") as answer:
        assert answer.status == 200, await answer.text()
        body = await answer.json()
    assert {name: body[name] for name in ("votes", "amount", "currency", "orders", "paid", "held", "returned")} == {
        "votes": 7,
        "amount": 700,
        "currency": "XOF",
        "orders": 4,
        "paid": 2,
        "held": 1,
        "returned": 1,
    }
    assert [(one["key"], one["votes"]) for one in body["byChannel"]] == [("ussd", 7)]
    assert [(one["code"], one["votes"]) for one in body["top"]] == [("07", 5), ("03", 2)]
    assert body["funnel"] == {"dials": 2, "candidates": 1, "confirmations": 0, "orders": 4, "asked": 4, "paid": 4}
    # A span that ends before anything was sold, and one that is none.
    async with client.get(
        "/api/admin/contests/star/summary?from=2021-01-01T00:00:00Z&to=2021-01-02T00:30:00Z"
    ) as answer:
        assert (await answer.json())["votes"] == 0
    async with client.get(
        "/api/admin/contests/star/summary?from=2021-01-02T00:00:00Z&to=2021-01-01T00:00:00Z"
    ) as answer:
        assert answer.status == 422
    async with client.get("/admin?lang=en") as answer:
        home = await answer.text()
    assert "<b>7</b> votes" in home
    assert '<a href="/admin/held"><b>1</b>' in home
    assert "100% (4 of 4)" in home
    # The stream sends the same part at once.
    async with client.get("/admin/live") as answer:
        assert answer.content_type == "text/event-stream"
        sent = await answer.text()
    assert "event: evening" in sent
    assert "<b>7</b> votes" in sent
    async with client.get("/admin/contests/star") as answer:
        assert "<b>7</b> votes" in await answer.text()
    async with client.get("/admin/contests/star/live") as answer:
        assert "<b>7</b> votes" in await answer.text()
    async with client.get("/admin/contests/star/figures?span=ever&candidate=03&candidate=99") as answer:
        charts = await answer.text()
    assert "<svg" in charts
    assert 'value="03" checked' in charts
    assert 'value="07" checked' not in charts
    # What an operator calls paid and has not confirmed is no vote yet.
    assert "being confirmed" not in home
    office.app[VOTING_SERVICE].rankings.confirming = {"star": 1240}  # type: ignore[attr-defined] # of the process
    async with client.get("/admin?lang=en") as answer:
        home = await answer.text()
    assert "1,240 votes are being confirmed" in home
    assert "<b>7</b> votes" in home
    async with client.get("/admin/contests/star") as answer:
        assert "1,240 votes are being confirmed" in await answer.text()
    # The past has its own figures, and does not move.
    async with client.get("/admin?asOf=2021-01-01T00:00:00") as answer:
        then = await answer.text()
    assert "<b>0</b> votes" in then
    assert "being confirmed" not in then
    async with client.get("/admin/live?asOf=2021-01-01T00:00:00") as answer:
        assert answer.status == 204
    # Of long ago candidates are compared by the hour, up to the last whole one.
    async with client.get("/admin/contests/star/figures?candidate=03&asOf=2021-01-01T20:30:00") as answer:
        charts = await answer.text()
    assert "less those taken back, by hour" in charts
    assert "Before the last 90 days" in charts
    assert 'datetime="2021-01-01T20:00:00' in charts


async def test_why_orders_were_not_paid_by_a_moment_of_the_past(office: Office) -> None:
    rig = office.rig

    async def answered(answer: StatusReport, *orders: PlacedOrder) -> None:
        rig.provider.query_script = [answer]
        references = [one.payment_reference for one in orders]
        await rig.change("update payments set next_check_at = now() where reference = any(:these)", these=references)
        await rig.verify()

    first, second, paid_later, answers_later, still_open = [
        await rig.placed(number=f"+22505010203{number:02}") for number in range(5)
    ]
    await rig.collect()
    await answered(Failed("1", PayerReason.DECLINED, "{}"), first, second, paid_later)
    await rig.change("update payments set expires_at = now() where reference = :r", r=answers_later.payment_reference)
    await answered(StillOpen("PENDING"), answers_later)
    then = await rig.one("select clock_timestamp()")
    refused = Failed("2", PayerReason.NO_FUNDS, "{}")
    placed_later = await rig.placed(number="+2250501020306")
    await rig.collect()
    await answered(refused, answers_later, still_open, placed_later)
    await answered(paid(), paid_later)
    await rig.settle_all()
    later = [await rig.status(one) for one in (paid_later, answers_later, still_open)]
    assert later == ["settled", "failed", "failed"]
    figures, star = Figures(rig.engine), rig.contest.id
    assert await figures.reasons(None, star) == [("no_funds", 3), ("declined", 2)]
    assert await figures.reasons(None, star, then) == [("declined", 2), ("not_answered", 1), ("paid_since", 1)]
    assert await figures.reasons(None, star, rig.contest.opens_at) == []
    client = await office.signed_in("koffi@demo.test")
    for language, sentences in {
        "en": ("<b>2</b> the payer declined", "<b>1</b> refused then, paid since", "<b>1</b> the payer did not answer"),
        "fr": (
            "<b>2</b> refusé par le payeur",
            "<b>1</b> refusé à ce moment, payé depuis",
            "<b>1</b> le payeur n&#39;a",
        ),
    }.items():
        async with client.get(
            "/admin/contests/star/figures", params={"lang": language, "asOf": then.isoformat()}
        ) as answer:
            shown = await answer.text()
        assert [one for one in sentences if one not in shown] == []
        assert "solde insuffisant" not in shown
        assert "not enough money" not in shown


async def test_fewer_held_orders_are_no_negative_number(office: Office) -> None:
    """As in hours in which those of the hours before are decided."""
    rig = office.rig
    await rig.counted()
    await rig.held(number="+2250501020306")
    await Rollups(rig.engine).catch_up()
    for sums in ("rollup_minutes", "rollup_hours"):  # an hour that is whole is read as one
        await rig.change(f"update {sums} set held = -2 where held = 1")
    client = await office.signed_in("koffi@demo.test")
    async with client.get("/admin/contests/star/figures?lang=en") as answer:
        page = await answer.text()
    assert "–</b> of paid orders are held<br>More of them were decided than came.</li>" in page


async def test_what_was_held_is_no_wait_at_the_wallet(office: Office) -> None:
    rig = office.rig
    quick, held = await rig.counted(), await rig.counted(number="+2250501020305")
    waited = "update payments set sent_at = settled_at - cast(:waited as interval)"
    await rig.change(f"{waited} where reference = :r", r=quick.payment_reference, waited=timedelta(seconds=12))
    held_until = f"{waited}, decide_by = now() where reference = :r"
    await rig.change(held_until, r=held.payment_reference, waited=timedelta(hours=1))
    since = await rig.now() - timedelta(hours=1)
    assert await Figures(rig.engine).waits(None, [rig.contest.id], since) == {"MTN_MOBILE_MONEY": 12.0}


def test_each_reason_has_words_for_staff() -> None:
    pages = Pages()
    pages.add("admin")
    named = {reason: {word_of(pages, one, "admin_why", reason) for one in ("fr", "en")} for reason in REASONS}
    assert [reason for reason, words in named.items() if reason in words] == []
