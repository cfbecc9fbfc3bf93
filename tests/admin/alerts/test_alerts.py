"""Findings become alerts: summed up behind settlement, sent by mail, to a chat and to a server, and shown with what was
answered."""

import hmac
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlalchemy import text

from admin.access.rules import Role
from admin.alerts.pages import ALERTING
from channels.messages.carrier import SendRefused, SendUnknown
from channels.telegram.store import TelegramStore
from gateway.orders.fraud import FraudLimits
from gateway.storage.audit_log import note
from gateway.values.money import Money
from payments.accounts.health import AccountHealth
from payments.ledger.differences import DifferenceKind, open_difference
from payments.settlement.settle import Settlement
from tests.admin.acting import AWA
from tests.admin.acting import office as office
from tests.admin.back_office import Office

PAGE, API = "/admin/alerts/demo", "/api/admin/organisers/demo/alerts"
EVERY = ["held", "flagged", "burst", "listed"]


class Hook:
    """A server that takes alerts. `status`: what it answers."""

    def __init__(self) -> None:
        self.status, self.taken = 200, list[tuple[dict[str, str], bytes]]()

    async def take(self, request: web.Request) -> web.Response:
        self.taken.append((dict(request.headers), await request.read()))
        return web.Response(status=self.status, text="noted")


@asynccontextmanager
async def hooked() -> AsyncIterator[tuple[Hook, str]]:
    hook, app = Hook(), web.Application()
    app.router.add_post("/in/{word}", hook.take)
    async with TestServer(app) as server:
        yield hook, f"http://127.0.0.1:{server.port}/in/secret-word"


async def hold(office: Office, many: int) -> None:
    """So many votes of one number are held, all but its first one."""
    rig = office.rig
    rig.settlement = Settlement(rig.engine, FraudLimits())
    number = f"+22505010220{await rig.one('select count(*) from payments'):02}"
    orders = [await rig.confirmed(number=number) for _ in range(many + 1)]
    await rig.settle_all()
    assert [await rig.status(order) for order in orders] == ["settled", *["held"] * many]


async def sent(office: Office) -> int:
    """Sum up and send what is due; how many were tried."""
    alerting = office.app[ALERTING]
    await alerting.sum_up()
    return await alerting.send_due()


async def make_due(office: Office, wait: str = "now()") -> None:
    async with office.rig.engine.begin() as connection:
        await connection.execute(text(f"update alerts set next_try_at = {wait} where status = 'due'"))


async def added(client: Any, **new: object) -> dict[str, Any]:
    async with client.post(API, json={"kinds": EVERY, **new}) as answer:
        assert answer.status == 201, await answer.text()
        return dict(await answer.json())


async def view(client: Any) -> dict[str, Any]:
    async with client.get(API) as answer:
        return dict(await answer.json())


async def test_a_burst_is_one_alert_at_a_server_and_the_next_waits_for_the_gap(office: Office) -> None:
    awa = await office.signed_in(AWA)
    async with hooked() as (hook, url):
        made = await added(awa, channel="webhook", address=url, kinds=["held"])
        assert await sent(office) == 0
        await hold(office, 3)
        assert await sent(office) == 1
        ((headers, body),) = hook.taken
        assert body == await signed(headers, body, made["secret"])
        event = orjson.loads(body)
        assert (event["type"], event["data"]["many"], event["data"]["contest"]) == ("alert.held", 3, "star")
        # What is found again is summed up and waits; nothing is read twice.
        await hold(office, 2)
        assert await sent(office) == 0
        await hold(office, 1)
        assert await sent(office) == 0
        await make_due(office)
        hook.status = 503
        assert await sent(office) == 1
        assert orjson.loads(hook.taken[-1][1])["data"]["many"] >= 3
        found = await view(awa)
        waiting, first = found["alerts"]
        assert (waiting["status"], waiting["attempts"], waiting["answer"]) == ("due", 1, "HTTP 503 noted")
        assert (first["status"], first["answer"]) == ("sent", "HTTP 200 noted")
        assert [one["state"] for one in found["destinations"]] == ["failing"]
        # The same alert at each try, and what arrives again ends the failing.
        hook.status = 200
        await make_due(office)
        assert await sent(office) == 1
        assert hook.taken[-1][1] == hook.taken[-2][1]
        assert hook.taken[-1][0]["webhook-id"] == hook.taken[-2][0]["webhook-id"]
        assert (await view(awa))["destinations"][0]["state"] == "on"
        # The path of an address may be as good as a password: no one reads it again.
        assert "secret-word" not in str(found) + str(await office.audit("alerts.added"))


async def signed(headers: dict[str, str], body: bytes, secret: str) -> bytes:
    """The body, if this secret signed it."""
    content = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body))
    word = hmac.digest(b64decode(secret.removeprefix("whsec_")), content, "sha256")
    return body if b64decode(headers["webhook-signature"].removeprefix("v1,")) == word else b""


async def test_a_destination_to_which_nothing_arrives_for_a_day_is_stopped(office: Office) -> None:
    awa = await office.signed_in(AWA)
    async with hooked() as (hook, url):
        made = await added(awa, channel="webhook", address=url, gapMinutes=0)
        hook.status = 500
        await hold(office, 2)
        assert await sent(office) == 1
        await make_due(office)
        async with office.rig.engine.begin() as connection:
            await connection.execute(text("update alert_destinations set failing_since = now() - interval '25 hours'"))
        await hold(office, 2)
        assert await sent(office) == 2
        found = await view(awa)
        assert found["destinations"][0]["state"] == "stopped"
        assert {one["status"] for one in found["alerts"]} == {"refused"}
        (mail,) = await office.mails(AWA)
        assert (mail.kind, mail.params["channel"]) == ("alerts_stopped", "webhook")
        assert len(await office.audit("alerts.stopped")) == 1
        await hold(office, 1)
        assert await sent(office) == 0
        # A person lets it go on; what wants nothing more is stopped at once.
        named = {"destination": made["id"]}
        async with awa.post(f"{API}/resume", json=named) as answer:
            assert (await answer.json())["destinations"][0]["state"] == "on"
        hook.status = 410
        async with awa.post(f"{API}/test", json=named) as answer:
            tested = await answer.json()
        assert (tested["kind"], tested["status"], tested["answer"]) == ("test", "refused", "HTTP 410 noted")
        assert (await view(awa))["destinations"][0]["state"] == "stopped"
        async with awa.post(f"{API}/remove", json=named) as answer:
            assert (await answer.json())["destinations"] == []
        for step in ("remove", "resume", "test"):
            async with awa.post(f"{API}/{step}", json=named) as answer:
                assert answer.status == 404


async def test_members_and_chats_get_alerts_in_their_language(office: Office) -> None:
    manager = await office.signed_in(await office.hire("manager@demo.test", Role.MANAGER, "demo"))
    await added(manager, channel="mail", address="manager@demo.test", contest="star")
    made = await added(manager, channel="telegram", kinds=["held"])
    store = TelegramStore(office.rig.engine.execution_options(isolation_level="AUTOCOMMIT"), office.rig.vault)
    assert (await view(manager))["destinations"][1]["state"] == "waiting"
    assert not await store.link_alerts("abcdefgh2345", 77)
    assert await store.link_alerts(f" {made['code'].upper()} ", 77)
    assert not await store.link_alerts(made["code"], 78)
    assert len(await office.audit("alerts.linked")) == 1
    await hold(office, 2)
    assert await sent(office) == 2
    ((mail,), (chat,)) = await office.mails("manager@demo.test"), office.chats.sent
    assert (mail.kind, mail.params["many"], mail.params["alert"]) == ("alert", "2", "held")
    assert (chat.to, "commandes retenues : 2" in chat.text) == ("77", True)
    # What Telegram may have taken is sent again; what is found meanwhile waits for the gap.
    office.chats.answer = SendUnknown("away")
    await hold(office, 1)
    await make_due(office)
    await sent(office)
    assert (await view(manager))["alerts"][0]["status"] == "due"
    # Whoever left gets no more, and a chat that was closed neither.
    office.chats.answer = SendRefused("403 blocked", permanent=True)
    async with office.rig.engine.begin() as connection:
        await connection.execute(text("update staff set active = false where email = 'manager@demo.test'"))
    await hold(office, 1)
    await sent(office)
    await make_due(office)
    await sent(office)
    awa = await office.signed_in(AWA)
    assert [one["state"] for one in (await view(awa))["destinations"]] == ["stopped", "stopped"]


async def test_the_page_adds_tests_and_removes_and_says_what_is_wrong(office: Office) -> None:
    awa = await office.signed_in(AWA)
    moderator = await office.signed_in(await office.hire("moderator@demo.test", Role.MODERATOR, "demo"))
    every = {f"kind_{kind}": "1" for kind in EVERY} | {"gap_minutes": "5"}
    for fields, words in (
        ({"channel": "webhook", "url": "http://example.org"}, "https://"),
        ({"channel": "webhook", "url": "https://10.0.0.1/"}, "Internet"),
        ({"channel": "mail", "member": "nobody@else.test"}, "travaille avec vous"),
        ({"channel": "post"}, "comment et"),
    ):
        status, shown = await office.form(awa, PAGE, **every, **fields)
        assert (status, words in shown) == (422, True), fields
    status, shown = await office.form(awa, PAGE, channel="mail", member=AWA, gap_minutes="5")
    assert (status, "sujet des alertes" in shown) == (422, True)
    assert (await view(awa))["destinations"] == []
    async with hooked() as (hook, url):
        status, shown = await office.form(awa, PAGE, **every, channel="webhook", url=url)
        assert (status, "whsec_" in shown) == (200, True)
        status, shown = await office.form(awa, PAGE, **every, channel="telegram")
        assert (status, "https://t.me/spotlight_bot?start=alerts_" in shown) == (200, True)
        status, shown = await office.form(awa, PAGE, **every, channel="mail", member=AWA)
        assert status == 200
        first, _, third = (one["id"] for one in (await view(awa))["destinations"])
        for destination in (first, third):
            status, shown = await office.form(awa, PAGE, f"{PAGE}/change", destination=destination, step="test")
            assert status == 200, shown
        assert "HTTP 200 noted" in shown
        assert orjson.loads(hook.taken[0][1])["type"] == "alert.test"
    assert [mail.params["alert"] for mail in await office.mails(AWA)] == ["test"]
    # Nobody makes us call a server again and again.
    for expected in (*[200] * 4, 409):
        async with awa.post(f"{API}/test", json={"destination": third}) as answer:
            assert answer.status == expected
    # Moderators see where alerts go, and set none.
    async with moderator.get(PAGE) as answer:
        assert (answer.status, "step" in await answer.text()) == (200, False)
    async with moderator.get("/admin/alerts", allow_redirects=False) as answer:
        assert answer.headers["Location"] == PAGE
    async with moderator.post(API, json={"kinds": EVERY, "channel": "mail", "address": AWA}) as answer:
        assert answer.status == 403
    status, shown = await office.form(awa, PAGE, f"{PAGE}/change", destination=first, step="remove")
    assert (status, len((await view(awa))["destinations"])) == (200, 2)
    for wrong, expected in (
        ({"destination": first, "step": "remove"}, 404),
        ({"destination": third, "step": "sell"}, 409),
        ({"destination": str(UUID(int=1)), "step": "test"}, 404),
        ({"destination": "x", "step": "test"}, 404),
    ):
        status, _ = await office.form(awa, PAGE, f"{PAGE}/change", **wrong)
        assert status == expected, wrong
    async with awa.post(API, json={"kinds": EVERY, "channel": "mail", "address": "x", "contest": "none"}) as answer:
        assert answer.status == 404


async def test_each_kind_of_line_is_summed_up_by_contest(office: Office) -> None:
    awa, contest = await office.signed_in(AWA), office.rig.contest.id
    await added(awa, channel="telegram")
    await added(awa, channel="mail", address=AWA)
    await added(awa, channel="mail", address=AWA, kinds=["listed"], contest="star")
    lines: list[tuple[str, str, dict[str, Any]]] = [
        ("rule", "fraud.found", {"payments": 5, "held": 2, "rules": {"too_fast": 2, "burst": 4}}),
        ("rule", "fraud.found", {"payments": 3, "held": 3, "rules": {"too_fast": 3}}),
        ("rule", "fraud.listed", {"kind": "address"}),
        ("rule", "fraud.lifted", {}),
        (AWA, "fraud.listed", {"kind": "number"}),
    ]
    async with office.rig.engine.begin() as connection:
        for actor, act, detail in lines:
            await note(connection, actor=actor, act=act, subject="star", detail=detail, contest=contest)
    assert await sent(office) == 5
    found = [(one["kind"], one["many"]) for one in (await view(awa))["alerts"]]
    assert sorted(found) == [("burst", 4), ("flagged", 3), ("held", 5), ("listed", 1), ("listed", 1)]


async def test_the_platform_is_alerted_about_wallets_differences_and_carriers(office: Office) -> None:
    rig, awa = office.rig, await office.signed_in(AWA)
    finance = await office.hire("finance@house.test", Role.FINANCE)
    support = await office.hire("support@house.test", Role.SUPPORT)
    every, theirs = (
        ["wallet_closed", "wallet_open", "differences", "carrier", "unpaid", "rules", "witness"],
        "/api/admin/alerts",
    )
    for new, problem in (
        ({"channel": "telegram", "kinds": ["held"]}, "no_kind"),
        ({"channel": "mail", "kinds": every, "address": support}, "no_member"),
    ):
        async with awa.post(theirs, json=new) as answer:
            assert (answer.status, (await answer.json())["type"]) == (422, f"/problems/{problem}")
    async with awa.post(API, json={"channel": "telegram", "kinds": ["carrier"]}) as answer:
        assert answer.status == 422
    async with awa.post(theirs, json={"channel": "mail", "kinds": every, "address": finance, "gapMinutes": 60}) as made:
        assert made.status == 201
    async with awa.post(theirs, json={"channel": "telegram", "kinds": every}) as made:
        code = (await made.json())["code"]
    chats = TelegramStore(rig.engine.execution_options(isolation_level="AUTOCOMMIT"), rig.vault)
    assert await chats.link_alerts(code, 77)
    health = AccountHealth(rig.engine)
    assert await health.open("mtn_momo@cm", "collect: Unknown")
    assert await health.open("stripe:out", "refund: Unavailable")
    await health.probed("mtn_momo@cm", alive=False)
    await health.probed("mtn_momo@cm", alive=True)
    for _ in range(2):
        await rig.outbox.note_refused("kannel", "kannel refuses us: 401")
    async with rig.engine.begin() as connection:
        for n in (1, 2, 2):
            more = Money(100, "XOF")
            await open_difference(connection, "wave", DifferenceKind.AMOUNT, more, "", payment=UUID(int=n))
    assert await sent(office) == 8
    assert sorted(one.text.partition(",")[0] for one in office.chats.sent) == [
        "MTN MoMo (CM) : répond de nouveau",
        "⚠️ Kannel : refuse nos SMS",
        "⚠️ MTN MoMo (CM)",
        "⚠️ Wave : nouveaux écarts avec le livre : 2",
    ]
    mails = {one.params["alert"]: one.params["about"] for one in await office.mails(finance)}
    assert mails["wallet_closed"] == "MTN MoMo (CM), Cartes (Stripe) – remboursements et versements"
    # The next one about the same waits, and names each wallet once.
    assert await health.open("wave", "collect: Unknown")
    assert await health.open("orange_money", "collect: Unknown")
    await office.app[ALERTING].sum_up()
    async with awa.get(theirs) as answer:
        waiting = [one for one in (await answer.json())["alerts"] if one["status"] == "due"]
    assert [one["subjects"] for one in waiting] == [["orange_money", "wave"]] * 2
    async with awa.get("/admin/alerts") as answer:
        shown = await answer.text()
        assert answer.url.path == "/admin/platform-alerts"
    assert "MTN MoMo (CM)" in shown
    assert shown.count("Tous les concours") == 1, "the link at the foot alone"
    # Who is not of the platform's heads sees none of it.
    yao = await office.signed_in(await office.hire("yao@demo.test", Role.OWNER, "demo"))
    for client in (yao, await office.signed_in(support)):
        async with client.get(theirs) as answer:
            assert answer.status == 403
        async with client.get("/admin/platform-alerts") as answer:
            assert answer.status == 403
