"""Every address of the back office with every role, with what is theirs and with what is another organiser's."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from aiohttp import ClientSession, FormData
from aiohttp.typedefs import Handler
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from admin.access import rights
from admin.access.rules import ROLES_OF_ORGANISERS, ROLES_OF_THE_PLATFORM, Role, rights_in
from admin.approvals import store
from admin.people import store as people
from gateway.http.endpoint import DECLARED, spec_of
from gateway.storage import engine
from gateway.storage.engine import narrow
from gateway.values.scope import Scope
from payments.requests import Act, Right
from tests.admin.acting import AWA, REASON
from tests.admin.acting import office as office
from tests.admin.back_office import Office, open_ticket, other_organiser
from tests.engines import Database
from tests.gateway.storage.test_tenants import limited_tables
from tests.rigs.money_rig import MoneyRig

# What is for everybody: the way in, links by mail, and where a GET leads that was left by a form.
BOTH: Final = (
    "/admin/sign-in",
    "/admin/reset",
    "/admin/reset/{token}",
    "/admin/invitation/{token}",
    "/admin/factor-reset/{token}",
)
PUBLIC: Final = {("GET", "/admin/sign-out"), ("GET", "/admin/acts"), *product(("GET", "POST"), BOTH)}
# Of the person who asks, whatever their role: they name nobody else's.
OWN: Final = {
    "/admin/factor",
    "/admin/me",
    "/admin/me/codes",
    "/admin/me/passkeys/{passkey}",
    "/admin/sign-out",
    "/api/admin/me",
}
# A GET where a form was left, which shows a list; it names what nobody looks up.
LISTS: Final = {
    "/admin/tickets/{ticket}",
    "/admin/payouts/beneficiaries/{beneficiary}",
    "/admin/people/{person}",
    "/admin/people/{person}/factor",
    "/admin/people/invitations/{invitation}",
}
# Forms whose acts have words of their own, by how their addresses end.
ACTS_AT: Final = {"change|.*/decide": "approve", ".*/video": "approved"}
# Forms that change nothing.
SEARCHES: Final = {"/admin/search", "/api/admin/search"}
FORMS_CLOSED: Final = '<fieldset class="closed" disabled>'
# What there is once voting is over; before, 409.
NOT_YET: Final = (
    "/exports/result.pdf",
    "/exports/certificate.pdf",
    "/exports/{export_id}/file",
    "/exports/{exportId}/file",
)
NOBODY: Final = uuid4()
NOTHING: Final[Mapping[str, str]] = {}
# As the page of a form has it, whose forms all differ.
ONCE: Final = {"once": "f" * 32}
WINDOW: Final = {"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}


@dataclass(frozen=True)
class Route:
    """An address of the back office as the router has it."""

    method: str
    path: str
    handler: Handler

    @property
    def right(self) -> Right | None:
        found: Right | None = getattr(self.handler, DECLARED)
        return found

    @property
    def by_api(self) -> bool:
        return self.path.startswith("/api/")


def routes_of(office: Office) -> list[Route]:
    """All of them; a HEAD is answered as its GET is."""
    return [
        Route(route.method, route.resource.canonical, route.handler)
        for route in office.app.router.routes()
        if route.resource is not None
        and route.method != "HEAD"
        and re.match(r"(/api)?/admin(/|$)", route.resource.canonical)
    ]


@dataclass
class World:
    """A service in which the organiser `demo` has something of everything. `names`: what addresses and bodies name it
    by; `marks`: what of it is to be read nowhere else."""

    office: Office
    names: Mapping[str, str]
    marks: list[str]
    document: Mapping[str, Any]
    browsers: dict[str, tuple[ClientSession, str]] = field(default_factory=dict)

    async def send(
        self,
        who: str | None,
        route: Route,
        names: Mapping[str, str],
        *,
        follow: bool = False,
        more: Mapping[str, str] = NOTHING,
    ) -> tuple[int, str]:
        """Use an address as a browser in which this person is signed in, with these names in its path and body.
        `follow`: to where a GET leads; `more`: fields of a form besides."""
        client, word = await self.browser(who)
        address = re.sub(r"{(\w+)}", lambda found: names[key(route.path, found[1])], route.path)
        sent: dict[str, Any] = {}
        if route.method != "GET" and route.by_api:
            spec = spec_of(route.handler)
            assert spec is not None
            sent = {"json": sample(schema_of(spec.body), names)} if spec.body else {"data": b"a,b\n1,2\n"}
            if not spec.body:
                sent["headers"] = {"Content-Type": "text/csv"}
        elif route.method != "GET":
            acts = [act for end, act in ACTS_AT.items() if re.search(rf"/candidates/({end})$", route.path)]
            # A form has no more fields than a page of ours.
            known = {} if more else names
            sent = {"data": {**known, **fields(names), **({"act": acts[0]} if acts else {}), "form": word, **more}}
        if (route.method, route.path) == ("PUT", "/api/admin/contests/{slug}"):
            sent = {"json": self.document}
        follow = follow and route.method == "GET"
        async with client.request(route.method, address, allow_redirects=follow, **sent) as answer:
            status, shown = answer.status, await answer.text("utf-8", "replace")
        if status == 415 and "data" in sent:
            form = FormData(sent["data"] if isinstance(sent["data"], dict) else {}, default_to_multipart=True)
            async with client.request(route.method, address, allow_redirects=False, data=form) as answer:
                return answer.status, await answer.text("utf-8", "replace")
        return status, shown

    async def browser(self, who: str | None) -> tuple[ClientSession, str]:
        name = who or ""
        if name not in self.browsers:
            client = await (self.office.signed_in(name) if who else self.office.browser())
            async with client.get("/admin/me") as shown:
                word = re.search(r'name="form" value="(\w+)"', await shown.text())
            self.browsers[name] = (client, word[1] if word else "")
        return self.browsers[name]


def key(path: str, name: str) -> str:
    """The name of what stands in a path: references are of different nouns."""
    plain = re.sub(r"(?<!^)[A-Z]", lambda letter: "_" + letter[0].lower(), name)
    noun = re.search(r"/(payouts|voids|payments)/", path)
    return f"{noun[1]}/{plain}" if noun and f"{noun[1]}/{plain}" in NAMES else plain


def fields(names: Mapping[str, str]) -> dict[str, str]:
    """Fields of all forms of our pages at once."""
    return {
        "act": "refund_payment",
        "subject": names["payments/reference"],
        "reason": REASON,
        "decision": "reject",
        "contest": names["slug"],
        "q": names["payments/reference"],
        "state": "frozen",
        "role": "moderator",
        "email": "new@house.test",
        "country": "CI",
        "account": "mtn_momo",
        "number": "0501020304",
        "name": "Awa",
    }


@cache
def schema_of(model: type[BaseModel]) -> Mapping[str, Any]:
    return model.model_json_schema()


def known_values(names: Mapping[str, str]) -> dict[str, str]:
    """What fields of the API hold that is about our names, or is of few values."""
    return {
        "contest": names["slug"],
        "subject": names["payments/reference"],
        "q": names["payments/reference"],
        "organiser": names["organiser"],
        "beneficiary": names["beneficiary"],
        "account": "mtn_momo",
        "role": "moderator",
        "email": "new@house.test",
        "country": "CI",
        "currency": "XOF",
        "act": "refund_payment",
        **WINDOW,
    }


def sample(schema: Mapping[str, Any], names: Mapping[str, str], name: str = "", root: Any = None) -> Any:
    """A value that a model takes, with our names where it asks for them."""
    root = root or schema
    if "$ref" in schema:
        return sample(root["$defs"][schema["$ref"].rpartition("/")[2]], names, name, root)
    if name == "quotas":
        return {"drafts": 7}
    known = known_values(names)
    if name in known:
        return known[name]
    if "anyOf" in schema:
        return sample(schema["anyOf"][0], names, name, root)
    if "enum" in schema or "const" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    match schema.get("type"):
        case "object":
            held, wanted = schema.get("properties", {}), schema.get("required", [])
            return {one: sample(held[one], names, one, root) for one in held if one in wanted or one in known}
        case "array":
            return [sample(schema.get("items", {}), names, name, root)] * max(1, schema.get("minItems", 1))
        case "integer":
            return max(1, schema.get("minimum", 1))
        case "boolean":
            return False
        case _ if schema.get("format") == "uuid":
            return str(NOBODY)
        case _ if schema.get("format") == "date-time":
            return WINDOW["to"]
        case _:
            return "Awa"[: schema.get("maxLength", 3)]


NAMES: Final = (
    "slug",
    "code",
    "organiser",
    "vote_id",
    "payments/reference",
    "payouts/reference",
    "voids/request_id",
    "request_id",
    "ticket",
    "beneficiary",
    "person",
    "invitation",
    "statement_id",
    "number",
    "filter_id",
    "export_id",
    "month",
    "sheet",
)
UNKNOWN: Final = dict.fromkeys(NAMES, str(NOBODY)) | {
    "slug": "nothing",
    "code": "99",
    "organiser": "nobody",
    "ticket": "4711",
    "number": "4711",
    "month": "2026-13",
}


@pytest.fixture
async def world(office: Office) -> World:
    names, marks = await furnish(office.rig, office.hire)
    async with (await office.signed_in(AWA)).get("/api/admin/contests/star") as answer:
        return World(office, names, marks, await answer.json())


async def furnish(rig: MoneyRig, hire: Callable[..., Awaitable[str]]) -> tuple[dict[str, str], list[str]]:
    """Make something of everything for the organiser `demo`, and everybody. `hire`: as `Office.hire`; `AWA` is there.
    The names that addresses and bodies know it by, and what of it is to be read nowhere else."""
    order, held = await rig.counted(), await rig.held(number="+2250501020305")
    late = await rig.late(number="+2250501020306")
    await rig.callback(order, b'{"status": "SUCCESSFUL"}')
    ticket = await open_ticket(rig, order)
    asked = await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, AWA)
    void = await rig.acts.ask(Act.VOID_WINDOW, "star", WINDOW, REASON, AWA)
    beneficiary, payout, statement, invitation, export, sheet = (uuid4() for _ in range(6))
    made = {
        "id": beneficiary,
        "payout": payout,
        "contest": rig.contest.id,
        "demo": rig.contest.organiser_id,
        "invitation": invitation,
        "export": export,
        "sheet": sheet,
    }
    async with rig.engine.begin() as connection:
        for statement_text in (
            "insert into beneficiaries (id, organiser_id, provider, country, name, registered_by, phone_index,"
            " phone_cipher) values (:id, :demo, 'mtn_momo', 'CI', 'Mariam of the demo', 'yao@house.test', '\\x00',"
            " :number)",
            "insert into payouts (reference, organiser_id, contest_id, beneficiary_id, provider, currency,"
            " amount_minor, request_id, status, next_try_at) values (:payout, :demo, :contest, :id,"
            " 'mtn_momo', 'XOF', 100, :id, 'manual', null)",
            "insert into invitations (id, organiser_id, link_hash, email, role, language, invited_by, expires_at)"
            " values (:invitation, :demo, '\\x00', 'salif@demo.test', 'moderator', 'fr', 'yao', now() + interval '1d')",
            "insert into exports (id, contest_id, kind, asked_by, asked_key, language, by_platform, try_at) values"
            " (:export, :contest, 'orders', 'manager@demo.test', '1', 'fr', false, now())",
            "insert into contests (id, organiser_id, slug, name, country, currency, price_minor, opens_at, closes_at,"
            " service_code, short_code, keyword) values (gen_random_uuid(), :demo, 'unseen', 'Unseen', 'CI', 'XOF',"
            " 100, now(), now() + interval '1 day', '', '', '')",
            "insert into jurors (contest_id, number, name, made_by) values (:contest, 1, 'Mariam of the jury', 'yao')",
            "insert into jury_sheets (id, contest_id, juror, points, entered_by)"
            " values (:sheet, :contest, 1, '{}', 'yao')",
        ):
            number = rig.vault.seal("+2250501020304", f"beneficiaries.phone.{beneficiary}")
            await connection.execute(text(statement_text), {**made, "number": number})
    await rig.directory.refresh()
    await other_organiser(rig)
    for role, (organiser, contest) in product(
        Role, ((None, None), ("demo", None), ("other", None), ("demo", "unseen"))
    ):
        exists = role in (ROLES_OF_ORGANISERS if organiser else ROLES_OF_THE_PLATFORM)
        if exists and (contest is None or role is Role.AUDITOR):
            await hire(address_of(role, organiser, contest), role, organiser, contest)
    names = {
        "slug": "star",
        "code": "07",
        "organiser": "demo",
        "vote_id": str(order.vote_id),
        "payments/reference": str(order.payment_reference),
        "payouts/reference": str(payout),
        "voids/request_id": str(void),
        "request_id": str(asked),
        "ticket": ticket,
        "beneficiary": str(beneficiary),
        "person": str(await rig.one("select id from staff where email = 'moderator@demo.test'")),
        "invitation": str(invitation),
        "statement_id": str(statement),
        "number": "1",
        "filter_id": str(uuid4()),
        "export_id": str(export),
        "month": "2026-11",
        "sheet": str(sheet),
    }
    refund = await rig.one("select reference from refunds")
    votes = [str(one) for order in (order, held, late) for one in (order.vote_id, order.payment_reference)]
    marks = [
        *votes,
        str(asked),
        str(void),
        str(payout),
        str(beneficiary),
        str(refund),
        "Mariam",
        "star",
        "salif",
        "moderator@demo.test",
    ]
    assert set(names) == set(NAMES)
    return names, marks


# Address, role and organiser of a person.
Member = tuple[str, Role, str | None]


def address_of(role: Role, organiser: str | None, contest: str | None) -> str:
    return f"{role.value}@{contest or organiser or 'platform'}.test"


def members() -> list[Member]:
    """Address, role and organiser of everybody; the last is an auditor of a contest with nothing in it."""
    found: list[Member]
    found = [(address_of(role, None, None), role, None) for role in Role if role in ROLES_OF_THE_PLATFORM]
    for organiser in ("demo", "other"):
        found += [(address_of(role, organiser, None), role, organiser) for role in Role if role in ROLES_OF_ORGANISERS]
    return [*found, (address_of(Role.AUDITOR, "demo", "unseen"), Role.AUDITOR, "unseen")]


async def test_every_address_declares_its_right(office: Office) -> None:
    routes = routes_of(office)
    undeclared = {(route.method, route.path) for route in routes if not hasattr(route.handler, DECLARED)}
    assert undeclared == PUBLIC
    assert {route.path for route in routes if (route.method, route.path) not in PUBLIC and route.right is None} == OWN


async def no_wall(_: AsyncConnection, __: Scope) -> None:
    """Row-level security taken away: the transaction stays the service's own."""


# Some thousand requests, and more with each address.
@pytest.mark.timeout(600)
@pytest.mark.parametrize("walls", ["both", "scope in the statement alone"])
async def test_every_role_at_every_address(
    world: World, database: Database, monkeypatch: pytest.MonkeyPatch, walls: str
) -> None:
    both = walls == "both"
    if not both:
        for module in (engine, rights, store, people):
            monkeypatch.setattr(module, "narrow", no_wall)
    routes = [one for one in routes_of(world.office) if (one.method, one.path) not in PUBLIC and one.path not in OWN]
    nobodys = {key(one.path, name) for one in routes for name in re.findall(r"{(\w+)}", one.path)} - set(NAMES)
    # Another kind of name in an address wants one of `demo` in NAMES and in `world`.
    assert nobodys == set()
    pairs = [(member, route, may(member, route)) for member, route in product(members(), routes)]
    # Only statements of an organiser's people have a second wall, the one that separates contests. At their own,
    # nothing but a wall could stop them.
    pairs = that_differ(pairs) if both else [pair for pair in pairs if pair[0][2] == "other" and pair[2]]
    assert len(pairs) > (1000 if both else 300)
    before, wrong = await snapshot(world, database), []
    for (address, _, organiser), route, allowed in pairs:
        found = await judged(world, address, route, organiser, may=allowed)
        wrong += [] if found is None else [(address, route.method, route.path, *found)]
    for route in routes if both else ():
        status, _ = await world.send(None, route, world.names)
        wrong += [] if status == (401 if route.by_api else 307) else [("nobody", route.method, route.path, status)]
    assert wrong == [], "\n".join(map(str, wrong))
    assert await snapshot(world, database) == before


def that_differ(pairs: Sequence[tuple[Member, Route, bool]]) -> list[tuple[Member, Route, bool]]:
    """Without those that another pair stands for. A role without the right is refused at `demo`, where all that is
    named is there; one of the people of `other` asks at each address, as all of them do without the second wall."""
    kept, asked = [], set[tuple[str, str]]()
    for member, route, allowed in pairs:
        address = route.method, route.path
        if member[2] in (None, "demo") or (allowed and (member[2] == "unseen" or address not in asked)):
            kept.append((member, route, allowed))
            asked |= {address} if member[2] == "other" else set()
    return kept


def may(member: Member, route: Route) -> bool:
    """Whether somebody has the right of an address."""
    _, role, organiser = member
    held = rights_in(role, UUID(int=1) if organiser else None)
    # Asking for an act needs the right of the act besides; the one that is asked for here is a refund.
    return route.right in held and (route.path != "/admin/acts" or Right.REFUND in held)


async def test_people_of_a_frozen_organiser_read_at_every_address_and_change_at_none(
    world: World, database: Database
) -> None:
    async with world.office.rig.engine.begin() as connection:
        await connection.execute(text("update organisers set state = 'frozen' where slug = 'demo'"))
    before, wrong = await snapshot(world, database), []
    for address, role, organiser in members():
        if organiser != "demo":
            continue
        for route in routes_of(world.office):
            if route.path in OWN or (route.method, route.path) in PUBLIC:
                continue
            # Who has not the right is refused in any state.
            if route.right not in rights_in(role, UUID(int=1)):
                continue
            reads = route.method == "GET" or route.path in SEARCHES
            status, shown = await world.send(address, route, world.names)
            fine = status == 409 if route.path.endswith(NOT_YET) else status < 400
            wrong += [] if (fine if reads else status == 403) else [(address, route.method, route.path, status)]
            forms = [] if FORMS_CLOSED in shown else re.findall(r'<form[^>]*method="post"[^>]*>', shown)
            for tag in forms if reads else ():
                action = re.search(r'action="([^"]*)"', tag)
                known = action is not None and action[1] in {"/admin/sign-out", *SEARCHES}
                wrong += [] if known else [(address, tag, route.path, status)]
    assert wrong == [], "\n".join(map(str, wrong))
    assert await snapshot(world, database) == before


async def judged(
    world: World, address: str, route: Route, organiser: str | None, *, may: bool
) -> tuple[object, ...] | None:
    """What is wrong with the answers that a person has from an address; None when nothing is."""
    if not may:
        status, _ = await world.send(address, route, world.names)
        return None if status == 403 else (status, "may not")
    if organiser in (None, "demo"):
        # Their own is shown; what changes it is asked about things that nobody has.
        names = world.names if route.method == "GET" else UNKNOWN
        status, _ = await world.send(address, route, names)
        there = status == 409 if route.path.endswith(NOT_YET) else status < 400
        fine = there if route.method == "GET" else status not in (401, 403) and status < 500
        return None if fine else (status, "may")
    status, body = await world.send(address, route, world.names, follow=True)
    mine = organiser == "unseen" and re.findall(r"{(\w+)}", route.path) == ["organiser"]
    if "{" in route.path and not (mine or (route.method, route.path) in {("GET", path) for path in LISTS}):
        return None if status == 404 else (status, "not theirs")
    # What was typed is shown again, and what the address names.
    shown = re.sub(r'value="[^"]*"|href="\?[^"]*"', "", body)
    seen = [mark for mark in world.marks if re.search(rf"\b{mark}\b", shown)]
    return None if status < 500 and not (status < 400 and seen) else (status, seen)


# What forms make, by their addresses: each is sent with these fields besides.
MADE: Final[Mapping[str, Mapping[str, str]]] = {
    "/admin/contests/new": {"begin": "talent", "name": "Twice"},
    "/admin/contests/{slug}/candidates/new": {"name": "Twice", "code": ""},
    "/admin/contests/{slug}/candidates/{code}/link": {},
    "/admin/contests/{slug}/orders/filters": {"name": "twice", "state": "held", "contest": ""},
    "/admin/contests/{slug}/fraud/entries": {"subject": "0501020399", "days": "3", "list": "deny"},
    "/admin/tickets/{ticket}": {},
    "/admin/acts": {"act": "void_window", "subject": "star", **WINDOW},
    "/admin/organisers/{organiser}/fees": {"currency": "XOF", "percent": "5", "method": ""},
    "/admin/payouts/beneficiaries/{beneficiary}": {},
    "/admin/people/invitations": {"organiser": "demo", "contest": ""},
    "/admin/people/invitations/{invitation}": {"step": "again"},
    "/admin/organisers": {"slug": "third", "name": "Third", "owner": "third@house.test"},
}
# Forms that show what was asked for and change nothing; a number that is shown is noted each time.
SHOWN: Final = {
    *SEARCHES,
    "/admin/contests/{slug}/preview",
    "/admin/contests/{slug}/candidates/change",
    "/admin/orders/{vote_id}",
    "/admin/reconciliation/balances",
}


async def test_a_form_that_is_sent_twice_acts_once_and_leads_to_a_page(world: World) -> None:
    client, _ = await world.browser(AWA)
    async with client.get("/admin/me") as shown:
        assert 'name="once"' in await shown.text()
    names = dict.fromkeys(re.findall(r"{(\w+)}", " ".join(one.path for one in routes_of(world.office))), str(NOBODY))
    names |= world.names
    routes = [one for one in routes_of(world.office) if one.method == "POST" and not one.by_api]
    routes = [one for one in routes if hasattr(one.handler, DECLARED) and one.path != "/admin/sign-out"]
    more = {one.path: {**MADE.get(one.path, NOTHING), **ONCE} for one in routes}
    before = await rows(world)
    first = {one.path: (await world.send(AWA, one, names, more=more[one.path]))[0] for one in routes}
    after = await rows(world)
    for one in routes:
        await world.send(AWA, one, names, more=more[one.path])
    assert await rows(world) == after != before
    assert {path: first.get(path) for path in MADE} == dict.fromkeys(MADE, 303)
    assert {path for path, status in first.items() if status < 400 and status != 303} <= SHOWN
    # The second one waits for the first one, and acts where that did nothing.
    forms, form = world.office.access.forms, uuid4()
    seen = [await forms.begin(form), await forms.begin(form)]
    await forms.end(form, None)
    seen.append(await forms.begin(form))
    await forms.end(form, "/admin")
    seen.append(await forms.begin(form))
    assert [(one.first, one.led_to) for one in seen] == [(True, None), (False, None), (True, None), (False, "/admin")]


async def rows(world: World) -> dict[str, int]:
    """How many rows tables have that forms may write into, and how many acts are noted but for numbers that were
    shown."""
    tables = await world.office.rig.rows(
        "select relname from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"
        " and not relispartition and has_table_privilege(oid, 'select') and relname not in ('audit_log', 'sent_forms')"
    )
    counted = [f"select '{one.relname}' as name, count(*) as many from {one.relname}" for one in tables]
    noted = "select 'audit_log', count(*) from audit_log where act <> 'number.shown'"
    return {one.name: one.many for one in await world.office.rig.rows(" union all ".join([*counted, noted]))}


async def snapshot(world: World, database: Database) -> dict[str, object]:
    """Every row of the organiser `demo` in tables that its staff read whole. That files were taken away is noted."""
    tables = await limited_tables(database, "select", whole=True)
    held: dict[str, object] = {}
    async with world.office.rig.engine.begin() as connection:
        await narrow(connection, world.office.rig.contest.organiser_id)
        for table in sorted(tables):
            but = "where act <> 'export.made'" if table == "audit_log" else ""
            rows = await connection.execute(text(f"select t::text from {table} t {but} order by 1"))
            held[table] = list(rows.scalars())
    return held
