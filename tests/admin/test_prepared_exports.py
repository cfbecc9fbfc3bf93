"""Exports in the background: asked for once, made although a worker is cut off, opened by who may, and deleted."""

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from sqlalchemy import text

from admin.access.rules import Role
from admin.exports.make import Maker
from admin.exports.months import MONTHS
from admin.exports.rules import TRIES_MAX, Kind, State, is_open_to, pause_after, state_at
from admin.exports.store import EXPORTS, Exports, Job
from admin.orders.listed import LISTED
from admin.services import PAYMENTS
from gateway.http.pages import PAGES
from gateway.storage.doorbell import Work
from gateway.storage.files import FolderFiles
from payments.requests import Right
from payments.rollups.store import Rollups
from tests.admin.acting import AUDIT, AWA, REASON
from tests.admin.acting import office as office
from tests.admin.back_office import Office

API = "/api/admin/contests/star/exports"
PAGE = "/admin/contests/star/exports"
NOW = datetime(2026, 11, 21, 20, tzinfo=UTC)
READ, MONEY, NUMBERS = Right.READ_ORDERS, Right.READ_MONEY, Right.SEE_NUMBER
OWNER = "owner@demo.test"


@pytest.mark.parametrize(
    ("kept", "expires_in", "state"),
    [
        (State.WAITING, None, State.WAITING),
        (State.MAKING, None, State.MAKING),
        (State.READY, timedelta(seconds=1), State.READY),
        (State.READY, timedelta(0), State.EXPIRED),
        (State.FAILED, None, State.FAILED),
        (State.CANCELLED, None, State.CANCELLED),
    ],
)
def test_a_file_is_over_by_itself(kept: State, expires_in: timedelta | None, state: State) -> None:
    assert state_at(kept, None if expires_in is None else NOW + expires_in, NOW) is state


def test_a_try_waits_longer_each_time_and_the_last_one_is_the_last() -> None:
    pauses = [pause_after(tries) for tries in range(1, TRIES_MAX + 1)]
    assert pauses[-1] is None
    waits = [pause for pause in pauses if pause is not None]
    assert len(waits) == TRIES_MAX - 1
    assert waits == sorted(set(waits))


@pytest.mark.parametrize(
    ("kind", "rights", "whole", "own", "stopped", "opens"),
    [
        (Kind.ORDERS, {READ}, False, False, True, True),
        (Kind.PAYMENTS, {MONEY}, False, True, False, False),
        (Kind.JOURNAL, {READ}, False, True, False, False),
        (Kind.MONTH, {READ, MONEY}, False, False, False, True),
        (Kind.ORDERS, {READ, NUMBERS}, True, True, False, True),
        (Kind.ORDERS, {READ, NUMBERS}, True, False, False, False),
        (Kind.ORDERS, {READ, NUMBERS}, True, True, True, False),
        (Kind.ORDERS, {READ}, True, True, False, False),
    ],
)
def test_who_opens_a_file(
    kind: Kind, rights: set[Right], *, whole: bool, own: bool, stopped: bool, opens: bool
) -> None:
    assert is_open_to(kind, frozenset(rights), whole=whole, own=own, stopped=stopped) is opens


def maker_of(office: Office, exports: Exports | None = None) -> Maker:
    """A worker of this office."""
    app = office.app
    book, pages = app[PAYMENTS].book, app[PAGES]
    return Maker(exports or app[EXPORTS], app[LISTED], book, app[MONTHS], lambda: pages, tick=0.01)


def folder_of(office: Office) -> Path:
    """Where its files are."""
    files = office.app[EXPORTS].files
    assert isinstance(files, FolderFiles)
    return files._folder


class Stalled(FolderFiles):
    """A folder on a disk that takes one part and no more."""

    async def put(self, key: str, parts: AsyncIterator[bytes]) -> int:
        async def stalling() -> AsyncIterator[bytes]:
            async for part in parts:
                yield part
                await asyncio.Event().wait()

        return await super().put(key, stalling())


class Watched(Exports):
    """Says when it was written how far a file is."""

    def __init__(self, office: Office) -> None:
        super().__init__(office.rig.engine, Stalled(folder_of(office)), office.rig.doorbell)
        self.renewed = asyncio.Event()

    async def renew(self, job: Job, done: int, total: int | None) -> bool:
        mine = await super().renew(job, done, total)
        if done == total:
            self.renewed.set()
        return mine


async def asked(client: Any, **body: str) -> dict[str, Any]:
    async with client.post(API, json=body) as answer:
        assert answer.status == 201, await answer.text()
        found: dict[str, Any] = await answer.json()
    return found


async def test_a_file_is_made_in_the_background_although_a_worker_is_cut_off(office: Office) -> None:
    rig, exports = office.rig, office.app[EXPORTS]
    await rig.counted()
    await rig.held(number="+2250501020305")
    await office.hire(OWNER, Role.OWNER, "demo")
    await office.hire("other@demo.test", Role.SUPPORT, "demo")
    owner, colleague = await office.signed_in(OWNER), await office.signed_in("other@demo.test")

    # A click on a file of more lines than are sent at once leads to the page that has it made; two clicks ask once.
    exports.rows_at_once = 1
    async with owner.get(f"{PAGE}/orders.csv?wallet=MTN_MOBILE_MONEY") as answer:
        shown = await answer.text()
        assert answer.url.path == PAGE
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', shown.split(f'action="{PAGE}"')[1]))
    assert fields["wallet"] == "MTN_MOBILE_MONEY"
    for _ in range(2):
        async with owner.post(PAGE, data={**fields, "what": "orders"}) as answer:
            assert "en attente" in await answer.text()
    assert office.rig.doorbell.rung[-1] == Work.EXPORTS
    (row,) = await rig.rows("select * from exports")
    assert row.query == "wallet=MTN_MOBILE_MONEY"
    one = f"{PAGE}/{row.id}"
    async with owner.get(f"{one}/file") as answer:
        assert answer.status == 409

    # The first worker is killed while it writes. Another one takes it up when the lease is out, and not before.
    watched = Watched(office)
    cut = asyncio.create_task(maker_of(office, watched).make_due())
    async with asyncio.timeout(10):
        await watched.renewed.wait()
    async with owner.get(PAGE) as answer:
        assert "2 lignes sur 2" in (await answer.text()).replace("\u202f", " ")
    cut.cancel()
    await asyncio.gather(cut, return_exceptions=True)
    assert await maker_of(office).make_due() == 0
    async with rig.engine.begin() as connection:
        await connection.execute(text("update exports set try_at = now()"))
    left = folder_of(office) / row.id.hex / "1.new"
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"what a killed process leaves")
    assert await maker_of(office).make_due() == 1
    assert await exports.clear() == 1

    # The file is what is sent at once; whoever may read orders opens it, and each time is noted.
    exports.rows_at_once = 20_000
    async with owner.get(f"{PAGE}/orders.csv?wallet=MTN_MOBILE_MONEY") as answer:
        at_once = await answer.read()
    for client in (owner, colleague):
        async with client.get(f"{one}/file") as answer:
            assert await answer.read() == at_once
            assert answer.headers["Content-Disposition"].startswith('attachment; filename="spotlight-star-orders-')
    async with colleague.get(f"{API}/{row.id}") as answer:
        made = await answer.json()
    assert (made["state"], made["rowsDone"], made["rowsTotal"], made["bytes"]) == ("ready", 2, 2, len(at_once))
    noted = await rig.rows("select act, actor from audit_log where detail ->> 'export' is not null order by id")
    assert [tuple(line) for line in noted] == [
        ("export.asked", OWNER),
        ("export.made", OWNER),
        ("export.made", "other@demo.test"),
    ]

    # After a day the link opens nothing, and the file goes.
    async with rig.engine.begin() as connection:
        await connection.execute(text("update exports set expires_at = now()"))
    for address, status in ((f"{one}/file", 410), (f"{API}/{row.id}/file", 410), (PAGE, 200)):
        async with owner.get(address) as answer:
            assert answer.status == status
    assert await exports.clear() == 1
    assert await exports.files.keys() == []


async def test_every_kind_is_asked_for_by_the_api_and_opened_by_who_may(office: Office) -> None:
    rig = office.rig
    await rig.counted()
    await Rollups(rig.engine).catch_up()
    await office.hire(OWNER, Role.OWNER, "demo")
    await office.hire(AUDIT, Role.SUPPORT, "demo")
    owner, support, awa = [await office.signed_in(who) for who in (OWNER, AUDIT, AWA)]
    month = f"{await rig.one('select now()'):%Y-%m}"
    whole = await asked(owner, kind="payments", reason=REASON)
    book, report = await asked(owner, kind="journal"), await asked(owner, kind="month", month=month)
    ours = await asked(awa, kind="journal")
    dropped = await asked(owner, kind="orders")
    for client, status in ((support, 409), (owner, 200), (owner, 409)):
        async with client.post(f"{API}/{dropped['id']}/cancel") as answer:
            assert answer.status == status
    assert await maker_of(office).make_due() == 4

    async def got(client: Any, export: dict[str, Any]) -> tuple[int, bytes]:
        async with client.get(f"{API}/{export['id']}/file") as answer:
            return answer.status, await answer.read()

    status, paid = await got(owner, whole)
    assert "+2250501020304" in paid.decode()
    assert (await got(awa, whole))[0] == 403, "who gave no reason opens no whole numbers"
    legs = list(csv.DictReader(io.StringIO((await got(owner, book))[1].decode("utf-8-sig")), delimiter=";"))
    accounts = {leg["account"] for leg in legs}
    assert "organiser_payable" in accounts
    assert "operator_clearing" not in accounts
    assert b"operator_clearing" in (await got(awa, ours))[1]
    assert (await got(owner, ours))[0] == 404, "where money is, is the platform's"
    summary = load_workbook(io.BytesIO((await got(owner, report))[1]))["Résumé"]
    assert {row[0]: row[1] for row in summary.iter_rows(values_only=True)}["Commandes"] == 1
    assert (await got(owner, dropped))[0] == 410
    assert [(await got(support, one))[0] for one in (book, report)] == [404, 404], "they read no money"
    async with support.get(API) as answer:
        assert {one["kind"] for one in (await answer.json())["exports"]} == {"payments", "orders"}

    # By page, with whole numbers: asked for as such, or because there are more lines than are sent at once.
    office.app[EXPORTS].rows_at_once = 0
    async with owner.get(PAGE) as answer:
        word = (await answer.text()).split('name="form" value="')[1].split('"')[0]
    for key, address, what in ((1, f"{PAGE}/numbers", "payments"), (2, f"{PAGE}/orders.csv", "")):
        sent = {"form": word, "key": str(key), "what": what, "reason": REASON}
        async with owner.post(address, data=sent) as answer:
            assert (answer.status, answer.url.path) == (200, PAGE)
        async with owner.post(address, data={**sent, "reason": ""}) as answer:
            assert answer.status == 422
    kinds = "select kind from exports where reason = :reason and state = 'waiting' order by kind"
    assert [row.kind for row in await rig.rows(kinds, reason=REASON)] == ["orders", "payments"]
    for address in ("journal.csv", f"month-{month}.xlsx"):
        async with owner.get(f"{PAGE}/{address}") as answer:
            assert answer.url.path == PAGE

    headers = {"Idempotency-Key": "k"}
    for body, status in (
        ({"kind": "orders"}, 201),
        ({"kind": "orders"}, 201),
        ({"kind": "payments"}, 409),
        ({"kind": "orders", "candidate": "99"}, 404),
        ({"kind": "month"}, 422),
        ({"kind": "orders", "month": month}, 422),
        ({"kind": "month", "month": "2026-13"}, 422),
        ({"kind": "journal", "wallet": "CARD"}, 422),
    ):
        async with owner.post(API, json=body, headers=headers) as answer:
            assert answer.status == status, body
    async with support.post(API, json={"kind": "journal"}) as answer:
        assert answer.status == 403
    for _ in range(7):
        await asked(owner, kind="orders")
    async with owner.post(API, json={"kind": "orders"}) as answer:
        assert answer.status == 409, "so many are unfinished"


async def test_what_fails_is_tried_again_and_then_says_so(office: Office) -> None:
    rig = office.rig
    await office.hire(OWNER, Role.OWNER, "demo")
    owner = await office.signed_in(OWNER)
    found = await asked(owner, kind="orders")
    broken = folder_of(office) / found["id"].replace("-", "")
    broken.parent.mkdir(exist_ok=True)
    broken.write_bytes(b"where its folder would be")
    for tries in range(1, TRIES_MAX + 1):
        assert await maker_of(office).make_due() == 1
        state = "failed" if tries == TRIES_MAX else "waiting"
        assert [tuple(row) for row in await rig.rows("select state, tries from exports")] == [(state, tries)]
        async with rig.engine.begin() as connection:
            await connection.execute(text("update exports set try_at = now() where try_at is not null"))
    async with owner.get(PAGE) as answer:
        assert "échec" in await answer.text()
    # A row whose worker is killed each time is given up as well.
    async with rig.engine.begin() as connection:
        await connection.execute(
            text("update exports set state = 'making', try_at = now(), finished_at = null, tries = :n"),
            {"n": TRIES_MAX},
        )
    assert await maker_of(office).make_due() == 0
    assert await rig.one("select state from exports") == "failed"
