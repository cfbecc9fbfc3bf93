"""Orders of a contest: filters, parts of the list, filters that are saved, and what the search finds."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import pytest
from aiohttp import ClientSession
from pydantic import ValidationError
from sqlalchemy import text

from admin.access.rules import Role
from admin.orders import listed as orders_listed
from admin.orders.filters import STATUSES, OrderFilter, OrderState, cursor_of, read_cursor
from admin.orders.story import sum_and_reference
from gateway.orders.rules import PlacedOrder
from gateway.values.money import Money
from payments.lifecycle import State
from payments.requests import Act
from tests.admin.acting import AUDIT, AWA, OTHER, REASON
from tests.admin.acting import office as office
from tests.admin.back_office import Office, open_ticket, other_organiser
from tests.rigs.scripted_provider import paid

API = "/api/admin/contests/star/orders"
PAGE = "/admin/contests/star/orders"


async def read(client: ClientSession, path: str = API, status: int = 200, **query: Any) -> Any:
    async with client.get(path, params={name.rstrip("_"): value for name, value in query.items()}) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


def test_each_status_is_of_one_state() -> None:
    every = [status for statuses in STATUSES.values() for status in statuses]
    assert sorted(every) == sorted(State)


@pytest.mark.parametrize(
    ("detail", "shown"),
    [
        ("500 XOF op-1", (Money(500, "XOF"), "op-1")),
        ("500 XOF", (Money(500, "XOF"), "")),
        ("150005 EUR a b", (Money(150_005, "EUR"), "a b")),
        ("op-1", (None, "op-1")),
        ("500 op-1", (None, "500 op-1")),
        ("-5 XOF", (None, "-5 XOF")),
        ("", (None, "")),
    ],
)
def test_a_piece_of_evidence_names_a_sum(detail: str, shown: tuple[Money | None, str]) -> None:
    assert sum_and_reference(detail) == shown


def test_a_place_in_the_list_is_read_as_it_was_written() -> None:
    at, vote = datetime(2026, 11, 21, 20, 0, 1, 999_999, tzinfo=UTC), UUID(int=7)
    assert read_cursor(cursor_of(at, vote)) == (at, vote)


@pytest.mark.parametrize(
    "given",
    [
        {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
        {"amountFrom": 2, "amountTo": 1},
        {"from": "2026-01-01T00:00:00"},
        {"state": "paid"},
        {"shoes": 38},
    ],
)
def test_what_is_no_filter_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OrderFilter.model_validate(given)


def test_a_filter_is_the_end_of_an_address_and_back() -> None:
    given = {"from": "2026-01-01T00:00:00Z", "state": "held", "wallet": "CARD", "amountTo": 0}
    read = OrderFilter.model_validate(given)
    assert OrderFilter.model_validate(dict(parse_qsl(read.query()))).named() == given
    assert OrderFilter().query() == ""


async def parts(client: Any, **query: Any) -> list[list[str]]:
    """The votes of each part of a list, from the first to the last."""
    found: list[list[str]] = []
    part: dict[str, Any] = {"cursor": None}
    while not found or part["cursor"] is not None:
        cursor = {"cursor": part["cursor"]} if found else {}
        part = await read(client, **query, **cursor)
        found.append([one["voteId"] for one in part["orders"]])
    return found


async def test_orders_are_filtered_and_come_in_parts(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = office.rig
    start = await rig.one("select now()")
    first = await rig.counted()
    middle: datetime = await rig.one("select clock_timestamp()")
    held = await rig.held(number="+2250501020305")
    back = await rig.counted(number="+2250501020306")
    await rig.acts.ask(Act.REFUND_PAYMENT, str(back.payment_reference), {}, REASON, AWA)
    open_one = await rig.place(rig.vote_request(number="+2250501020307"))
    assert isinstance(open_one, PlacedOrder)
    async with rig.engine.begin() as connection:
        await connection.execute(
            text("update payments set status = 'refund_due' where reference = :r"), {"r": back.payment_reference}
        )
    await office.hire(AUDIT, Role.AUDITOR, "demo", "star")
    audit = await office.signed_in(AUDIT)
    placed = [str(one.vote_id) for one in (open_one, back, held, first)]
    for query, expected in (
        ({}, placed),
        ({"state": "open"}, placed[:1]),
        ({"state": "to_refund"}, placed[1:2]),
        ({"state": "held"}, placed[2:3]),
        ({"state": "counted"}, placed[3:]),
        ({"to": middle.isoformat()}, placed[3:]),
        ({"from": middle.isoformat()}, placed[:3]),
        (
            {"wallet": "MTN_MOBILE_MONEY", "channel": "ussd", "candidate": "07", "amountFrom": 500, "amountTo": 500},
            placed,
        ),
        ({"wallet": "CARD"}, []),
        ({"channel": "sms"}, []),
        ({"candidate": "08"}, []),
        ({"amountFrom": 501}, []),
        ({"amountTo": 499}, []),
        ({"asOf": middle.isoformat()}, placed[3:]),
        ({"asOf": middle.isoformat(), "wallet": "MTN_MOBILE_MONEY"}, placed[3:]),
        ({"asOf": start.isoformat()}, []),
    ):
        found = await read(audit, **query)
        assert [one["voteId"] for one in found["orders"]] == expected, query
    assert await parts(audit, limit=2) == [placed[:2], placed[2:]]
    monkeypatch.setattr(orders_listed, "LOOKED_AT", 3)
    assert await parts(audit, state="counted") == [[], placed[3:]]
    assert await parts(audit, candidate="07", channel="ussd") == [placed[:3], placed[3:]]
    async with audit.get("/admin/contests/star/orders?state=counted&lang=en") as answer:
        page = await answer.text()
    assert "There may be more among the older ones" in page
    assert "cursor=" in page
    assert (await read(audit))["orders"][0]["payer"].startswith("+225 ")
    for wrong in ({"cursor": "1"}, {"state": "paid"}, {"from": "yesterday"}, {"limit": 0}):
        await read(audit, status=422, **wrong)
    await read(audit, status=404, candidate="99")
    await read(audit, "/api/admin/contests/nothing/orders", 404)
    # Another organiser's people see none of it.
    await other_organiser(rig)
    await office.hire(OTHER, Role.OWNER, "other")
    await read(await office.signed_in(OTHER), status=404)


async def test_orders_are_filtered_by_the_state_of_then(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = office.rig
    moments: list[datetime] = [await rig.one("select clock_timestamp()")]

    async def moment() -> None:
        moments.append(await rig.one("select clock_timestamp()"))

    counted = await rig.counted(number="+2250501020306")
    kept, given_back = [await rig.held(number=f"+225050102030{n}") for n in (5, 4)]
    open_one = await rig.place(rig.vote_request(number="+2250501020307"))
    assert isinstance(open_one, PlacedOrder)
    await moment()
    held = [str(given_back.vote_id), str(kept.vote_id)]
    await rig.change("update payments set decide_by = null where reference = :r", r=given_back.payment_reference)
    assert await parts(await office.signed_in(AWA), asOf=moments[1].isoformat(), state="held") == [held]
    await rig.agreed(Act.RELEASE_HELD, kept.payment_reference)
    await rig.agreed(Act.REFUSE_HELD, given_back.payment_reference)
    await moment()
    rig.provider.outgoing_script = [paid(500)]
    await rig.refund()
    await rig.refund_again()
    await moment()
    awa = await office.signed_in(AWA)
    one, two, three, four = (str(order.vote_id) for order in (open_one, counted, kept, given_back))
    then: tuple[tuple[int, dict[str, list[str]]], ...] = (
        (0, {}),
        (1, {"open": [one], "counted": [two], "held": [four, three]}),
        (2, {"open": [one], "counted": [three, two], "to_refund": [four]}),
        (3, {"open": [one], "counted": [three, two], "refunded": [four]}),
    )
    for n, expected in then:
        for state in OrderState:
            found = await parts(awa, asOf=moments[n].isoformat(), state=state.value)
            assert found == [expected.get(state.value, [])], (n, state)
    async with awa.get(PAGE, params={"state": "held", "asOf": "2026-01-01T20:00:00", "lang": "en"}) as answer:
        shown = await answer.text()
    assert '<option value="held" selected>' in shown
    assert "No order matches" in shown
    wanted = OrderFilter(as_of=moments[1], state=OrderState.HELD)
    assert await office.app[orders_listed.LISTED].count(rig.contest, None, wanted) == 2
    monkeypatch.setattr(orders_listed, "LOOKED_AT", 1)
    at = {"asOf": moments[1].isoformat()}
    assert await parts(awa, **at, state="held") == [[four], [three], []]
    assert await parts(awa, **at, state="to_refund") == [[], []]
    assert await parts(awa, **at, state="held", wallet="CARD") == [[], [], []]


async def test_a_filter_is_saved_by_page_and_by_api(office: Office) -> None:
    rig = office.rig
    held = await rig.held()
    await rig.counted(number="+2250501020305")
    awa = await office.signed_in(AWA)
    async with awa.get(PAGE, params={"state": "held", "from": "2026-01-01T00:00"}) as answer:
        shown = await answer.text()
        assert answer.status == 200
    assert str(held.vote_id) in shown
    assert shown.count('href="/admin/orders/') == 1
    word = shown.split('name="form" value="')[1].split('"')[0]
    sent = {"form": word, "name": " À  voir ", "state": "held"}
    async with awa.post(f"{PAGE}/filters", data=sent, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, f"{PAGE}?state=held")
    (one,) = (await read(awa, f"{API}/filters"))["filters"]
    assert (one["name"], one["query"]) == ("À voir", "state=held")
    async with awa.post(f"{API}/filters", json={"name": "À voir", "wallet": "CARD"}) as answer:
        assert (answer.status, (await answer.json())["id"]) == (201, one["id"])
    async with awa.get(f"{PAGE}?wallet=CARD") as answer:
        shown = await answer.text()
    assert "À voir" in shown
    assert "Aucune commande ne correspond" in shown
    # It is theirs alone.
    await office.hire(AUDIT, Role.AUDITOR, "demo", "star")
    audit = await office.signed_in(AUDIT)
    assert await read(audit, f"{API}/filters") == {"filters": []}
    async with audit.delete(f"{API}/filters/{one['id']}") as answer:
        assert answer.status == 404
    async with awa.post(f"{PAGE}/filters/{one['id']}", data={"form": word}, allow_redirects=False) as answer:
        assert answer.status == 303
    assert await read(awa, f"{API}/filters") == {"filters": []}
    async with awa.delete(f"{API}/filters/{one['id']}") as answer:
        assert answer.status == 404
    for query, status in (
        ({"from": "soon"}, 422),
        ({"amountTo": "x"}, 422),
        ({"state": "x"}, 422),
        ({"candidate": "99"}, 422),
        ({"amountFrom": "1 000,5"}, 422),
        ({"from": "2026-01-02T00:00", "to": "2026-01-01T00:00"}, 422),
        ({"cursor": "1"}, 400),
    ):
        async with awa.get(PAGE, params=query) as answer:
            assert answer.status == status, query
    async with awa.post(f"{PAGE}/filters", data={"form": word, "name": " "}) as answer:
        assert answer.status == 422


async def test_the_search_knows_tickets_and_names(office: Office) -> None:
    rig = office.rig
    order = await rig.counted()
    ticket = await open_ticket(rig, order)
    awa = await office.signed_in(AWA)
    for word, many in ((ticket, 1), ("fatou", 1), ("coulibaly FATOU", 1), ("kone", 0), ("f", 0)):
        async with awa.post("/api/admin/search", json={"q": word}) as answer:
            assert len((await answer.json())["payments"]) == many, word


async def test_a_ticket_about_no_payment_finds_the_orders_of_its_number(office: Office) -> None:
    rig = office.rig
    order = await rig.counted()
    ticket = await open_ticket(rig, None)
    awa = await office.signed_in(AWA)
    async with awa.post("/api/admin/search", json={"q": ticket}) as answer:
        assert [one["voteId"] for one in (await answer.json())["payments"]] == [str(order.vote_id)]
