"""Other orders of the same number, device, address, card or name as one order of a contest, by page and by API.

Numbers leave masked; of devices, addresses, cards and names only keyed hashes are kept, so orders are shown to share
one without saying which.
"""

from typing import Any, Final
from uuid import UUID

from aiohttp import web
from pydantic import Field
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.access.guard import Me, page, show
from admin.answers import read_id, staff_endpoint
from admin.contests.api import ContestPath
from admin.contests.store import STAFF_CONTESTS
from admin.fraud.review import API as FRAUD_API
from admin.fraud.review import PAGE as FRAUD_PAGE
from admin.fraud.store import SUSPECT, WITH_VOTE, Suspect, suspect_of
from channels.voting_service import VOTING_SERVICE
from gateway.contests.directory import read_contest
from gateway.http.endpoint import ApiModel, Reply
from gateway.orders.store import PAID
from gateway.storage.engine import scoped
from gateway.storage.vault import Vault
from payments.requests import ActRefused, Right, Scope, Why

API: Final = f"{FRAUD_API}/payments/{{reference}}"
PAGE: Final = f"{FRAUD_PAGE}/payments/{{reference}}"
# Of each kind so many are counted, and so many shown.
_COUNTED_MAX: Final = 500
_SHOWN_MAX: Final = 30
# What orders may share, in the order of the page. An address that stands for many says nothing. The indexes of the last
# three have paid orders alone.
_SHARED: Final = {
    "number": "p.payer_index = f.payer_index",
    "device": "p.orderer = f.orderer and f.orderer is distinct from f.address",
    "address": "p.address = f.address and not f.address_shared",
    "card": f"p.card_index = f.card_index and p.status in {PAID}",
    "holder": f"p.holder_index = f.holder_index and p.status in {PAID}",
    "block": f"p.payer_block = f.payer_block and p.payer_index <> f.payer_index and p.status in {PAID}",
}
_NEAR: Final = " union all ".join(
    f"""
  select '{kind}' as kind, {place} as place, n.reference, n.placed_at from f cross join lateral (
    select p.reference, p.placed_at from payments p
    where {shared} and p.contest_id = :contest and p.reference <> f.reference
      and p.placed_at > f.placed_at - interval '1 day' and p.placed_at < f.placed_at + interval '1 day'
    order by p.placed_at desc limit {_COUNTED_MAX}) n"""
    for place, (kind, shared) in enumerate(_SHARED.items())
)
_ONE: Final = text(f"""
select {SUSPECT} from payments p {WITH_VOTE} where p.reference = :reference and p.contest_id = :contest
""")
_NEIGHBOURS: Final = text(f"""
with f as (select * from payments where reference = :reference and contest_id = :contest),
near as ({_NEAR}),
counted as (
  select *, count(*) over (partition by place) as many,
    row_number() over (partition by place order by placed_at desc) as nth from near)
select n.kind, n.many, {SUSPECT}
from counted n join payments p on p.reference = n.reference and p.placed_at = n.placed_at {WITH_VOTE}
where n.nth <= {_SHOWN_MAX} order by n.place, n.nth
""")


class Group(ApiModel):
    """Orders that share one thing with an order, from a day before it to a day after: paid ones alone of a card, a name
    or a block of numbers."""

    kind: str = Field(description="`number`, `device`, `address`, `card`, `holder` or `block`.")
    many: int = Field(description=f"How many; {_COUNTED_MAX} stands for more, too.")
    orders: list[Suspect] = Field(description=f"The newest {_SHOWN_MAX}.")


class Neighbours(ApiModel):
    """An order, and others that share something with it."""

    order: Suspect
    groups: list[Group]


class OrderPath(ContestPath):
    """The payment that is asked about."""

    reference: UUID


class NeighboursStore:
    """Reads them."""

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault

    async def read(self, slug: str, reference: UUID, scope: Scope) -> Neighbours:
        """The neighbours of an order. Raises ActRefused for one that is not in this contest."""
        async with scoped(self._engine, scope) as connection:
            contest = await read_contest(connection, slug, scope)
            if contest is None:
                raise ActRefused(Why.UNKNOWN, f"there is no contest {slug!r}")
            asked = {"contest": contest.id, "reference": reference}
            one = (await connection.execute(_ONE, asked)).one_or_none()
            if one is None:
                raise ActRefused(Why.UNKNOWN, f"there is no order {reference} in this contest")
            rows = (await connection.execute(_NEIGHBOURS, asked)).all()
        kinds: dict[str, list[Row[Any]]] = {}
        for row in rows:
            kinds.setdefault(row.kind, []).append(row)
        groups = [
            Group(kind=kind, many=found[0].many, orders=[suspect_of(self._vault, row) for row in found])
            for kind, found in kinds.items()
        ]
        return Neighbours(order=suspect_of(self._vault, one), groups=groups)


NEIGHBOURS: web.AppKey[NeighboursStore] = web.AppKey("neighbours", NeighboursStore)


@staff_endpoint(Right.READ_ORDERS, path=OrderPath, returns={200: Neighbours}, problems=(404,))
async def neighbours(request: web.Request, me: Me, *, path: OrderPath) -> Reply:
    """Show which orders of a contest share a number, device, address, card or name with one."""
    return Reply(200, await request.app[NEIGHBOURS].read(path.slug, path.reference, me.scope))


@page(Right.READ_ORDERS)
async def neighbours_page(request: web.Request, me: Me) -> web.StreamResponse:
    """An order with its neighbours. 404."""
    slug, reference = request.match_info["slug"], read_id(request, "reference")
    if reference is None:
        raise ActRefused(Why.UNKNOWN, "an order is named by its reference")
    found = await request.app[NEIGHBOURS].read(slug, reference, me.scope)
    contest = (await request.app[STAFF_CONTESTS].held(slug, me.scope)).contest
    phase = contest.phase_at(request.app[VOTING_SERVICE].now())
    return show(request, me, "fraud/neighbours.html", contest=contest, phase=phase, found=found, most=_COUNTED_MAX)


def setup(app: web.Application) -> None:
    """Serve them. The application needs NEIGHBOURS, STAFF_CONTESTS, VOTING_SERVICE and mounted pages."""
    app.router.add_get(API, neighbours)
    app.router.add_get(PAGE, neighbours_page)
