"""Statements of operators against the book, by page and by API: imports, differences, and asking about them."""

from typing import Final
from uuid import UUID

from aiohttp import web
from pydantic import Field

from admin.access.guard import Form, Me, api_call, form, page, say, show
from admin.answers import SIGNED_IN, TAG, AsOf, Listing, Reason, problem_of, staff_endpoint, unknown
from admin.approvals.api import Request, ask
from admin.services import PAYMENTS
from gateway.http.endpoint import FILE, ApiModel, InputModel, Line, Reply, answer, described
from gateway.http.forms import read_upload
from gateway.http.problems import Problem
from payments.ledger.book import MoneyRefused
from payments.provider import Wallet
from payments.reconciliation.differences import DifferenceGroup, DifferenceLine, ImportedStatement
from payments.reconciliation.reconcile import CheckedWallet, Comparison
from payments.reconciliation.rules import Repair, offered, read_group
from payments.requests import Act, ActRefused, Right

PAGE: Final = "/admin/reconciliation"
SHOWN: Final = 100


class Differences(ApiModel):
    """Differences, the oldest first."""

    differences: list[DifferenceLine]


class DifferenceListing(Listing):
    """Which differences."""

    provider: Line | None = Field(None, max_length=40, description="One account only.")
    group: Line | None = Field(None, max_length=200, description="Only those of a group, by its key.")


class GroupListing(InputModel):
    """Which groups."""

    provider: Line | None = Field(None, max_length=40, description="One account only.")


class DifferenceGroups(ApiModel):
    """Groups of open differences, the oldest day first."""

    groups: list[DifferenceGroup]


class Statements(ApiModel):
    """The latest imports."""

    statements: list[ImportedStatement]


class CheckedWallets(ApiModel):
    """Every wallet whose operator tells what it holds."""

    wallets: list[CheckedWallet]


class StatementPath(InputModel):
    """The import that is meant."""

    statement_id: UUID


class Resolution(InputModel):
    """What is asked to be decided about a difference."""

    repair: Repair
    reason: Line = Field(max_length=500)
    operator_reference: Line | None = Field(None, max_length=64)


class DifferencePath(InputModel):
    """The difference that is asked about."""

    number: int = Field(ge=1, lt=2**63)


@staff_endpoint(Right.READ_BOOK, query=DifferenceListing, returns={200: Differences}, problems=(400, 404))
async def differences(request: web.Request, _: Me, *, query: DifferenceListing) -> Reply:
    """List differences between statements and the book: the oldest 500.

    As of an earlier moment, those that were found by then; groups are of the present alone.
    """
    group = None if query.group is None else read_group(query.group)
    if query.group is not None and group is None:
        raise unknown("group", query.group)
    reads, everything, account = request.app[PAYMENTS].differences, query.all, query.provider
    if query.as_of is not None:
        if group is not None:
            raise Problem(400, "No groups of the past", "Leave out group or asOf.", kind="/problems/no_past_groups")
        held = await reads.differences_then(query.as_of, open_only=not everything, account=account)
    else:
        held = await reads.differences(open_only=not everything, account=account, group=group)
    return Reply(200, Differences(differences=[*held]))


@staff_endpoint(Right.READ_BOOK, query=GroupListing, returns={200: DifferenceGroups})
async def groups(request: web.Request, _: Me, *, query: GroupListing) -> Reply:
    """List open differences by what is decided alike."""
    return Reply(200, DifferenceGroups(groups=[*await request.app[PAYMENTS].differences.groups(query.provider)]))


@staff_endpoint(Right.READ_BOOK, query=AsOf, returns={200: Statements})
async def statements(request: web.Request, _: Me, *, query: AsOf) -> Reply:
    """List the latest statements that were imported."""
    return Reply(200, Statements(statements=[*await request.app[PAYMENTS].differences.files(query.as_of)]))


@staff_endpoint(
    Right.RECONCILE, proof=True, path=DifferencePath, body=Resolution, returns={201: Request}, problems=(404, 409)
)
async def resolve(request: web.Request, me: Me, *, path: DifferencePath, body: Resolution) -> Reply:
    """Ask for a decision about a difference.

    Nothing is booked before a second person agrees. A group of differences is asked about by POST
    /api/admin/requests, with its key as the subject.
    """
    params = {"repair": body.repair.value, "operator_reference": body.operator_reference}
    return await ask(request, me, Act.RECONCILE, str(path.number), body.reason, params)


@described(
    returns={201: Comparison},
    problems=(400, *SIGNED_IN, 404, 408, 409, 413, 415),
    tag=TAG,
    sends={
        "multipart/form-data": {
            "type": "object",
            "properties": {"account": {"type": "string"}, "file": FILE},
            "required": ["account", "file"],
        }
    },
)
@api_call(Right.RECONCILE)
async def import_statement(request: web.Request, me: Me) -> web.Response:
    """Import a statement and compare each of its lines with the book.

    A multipart/form-data body: `account`, like mtn_momo, and one file, CSV or XLSX as the operator exports it. The
    same file twice is refused.
    """
    fields, name, data = await read_upload(request)
    if not data:
        raise Problem(400, "No file", "Send the statement as a file.", kind="/problems/no_file")
    try:
        done = await request.app[PAYMENTS].reconciler.import_file(fields.get("account", ""), name, data, me.email)
    except (ActRefused, MoneyRefused) as error:
        raise problem_of(error) from None
    return answer(Reply(201, done))


@staff_endpoint(
    Right.RECONCILE, proof=True, path=StatementPath, body=Reason, returns={201: Request}, problems=(404, 409)
)
async def undo_import(request: web.Request, me: Me, *, path: StatementPath, body: Reason) -> Reply:
    """Ask to take an import back as a whole.

    Nothing is changed before a second person agrees.
    """
    return await ask(request, me, Act.UNDO_IMPORT, str(path.statement_id), body.reason, {})


@staff_endpoint(Right.RECONCILE, returns={200: CheckedWallets})
async def check_wallets(request: web.Request, _: Me) -> Reply:
    """Ask every operator what our wallets hold, and compare with the book."""
    return Reply(200, CheckedWallets(wallets=await request.app[PAYMENTS].reconciler.check_balances()))


@page(Right.READ_BOOK)
async def reconciliation(request: web.Request, me: Me) -> web.StreamResponse:
    """Open differences; with `?all=1` those that were decided about too, with `?group=` those of a group."""
    return await _page(request, me)


@form(Right.RECONCILE, file=True)
async def import_by_page(request: web.Request, me: Me, fields: Form, name: str, data: bytes) -> web.StreamResponse:
    """Keep a statement's lines and compare them."""
    if not data:
        return say(request, 422, "no_file", me)
    try:
        summary = await request.app[PAYMENTS].reconciler.import_file(fields.get("account", ""), name, data, me.email)
    except MoneyRefused as error:
        return say(request, 422, "money_refused", me, str(error))
    return await _page(request, me, summary)


@form(Right.RECONCILE)
async def check_balances(request: web.Request, me: Me, _: Form) -> web.StreamResponse:
    """Ask every operator what its wallets hold."""
    return await _page(request, me, balances=await request.app[PAYMENTS].reconciler.check_balances())


async def _page(request: web.Request, me: Me, summary: object = None, balances: object = None) -> web.Response:
    payments, everything, key = request.app[PAYMENTS], request.query.get("all") == "1", request.query.get("group")
    group = None if key is None else read_group(key)
    if key is not None and group is None:
        return say(request, 404, "unreadable", me)
    if me.as_of:
        group, groups = None, []
        found = await payments.differences.differences_then(me.as_of, open_only=not everything, limit=SHOWN)
    else:
        found = await payments.differences.differences(open_only=not everything, group=group, limit=SHOWN)
        groups = [*([] if everything or group else await payments.differences.groups())]
    return show(
        request,
        me,
        "admin_reconciliation.html",
        differences=found,
        more=len(found) == SHOWN,
        group=group,
        groups=[(line, _offered(line.key)) for line in groups if line.count > 1],
        files=[] if group else await payments.differences.files(me.as_of),
        everything=everything,
        accounts=payments.accounts,
        summary=summary,
        balances=balances,
    )


def _offered(key: str) -> list[Repair]:
    """What may be decided about all of a group; returned money is decided about payment by payment."""
    group = read_group(key)
    can = () if group is None else offered(group.kind, group.sign, from_float=group.wallet == Wallet.DISBURSEMENT)
    return [repair for repair in can if repair is not Repair.RETURNED]


def setup(app: web.Application) -> None:
    """Serve them. The application needs APPROVALS, PAYMENTS and mounted pages."""
    app.router.add_get("/api/admin/differences", differences)
    app.router.add_get("/api/admin/differences/groups", groups)
    app.router.add_get("/api/admin/statements", statements)
    app.router.add_post("/api/admin/statements", import_statement)
    app.router.add_post("/api/admin/statements/{statementId}/undo", undo_import)
    app.router.add_post("/api/admin/wallets/check", check_wallets)
    app.router.add_post("/api/admin/differences/{number}", resolve)
    app.router.add_get(PAGE, reconciliation)
    app.router.add_post(PAGE, import_by_page)
    app.router.add_post(f"{PAGE}/balances", check_balances)
    app.router.add_get(f"{PAGE}/balances", reconciliation)
