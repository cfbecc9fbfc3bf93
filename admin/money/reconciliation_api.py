"""`/api/admin/differences` and `/statements`: statements of operators against the book, for programs."""

from datetime import date, datetime
from uuid import UUID

from aiohttp import web
from pydantic import Field

from admin.access.guard import Me, api_me, read_upload
from admin.answers import SIGNED_IN, TAG, Amount, Listing, Reason, model_of, problem_of, staff_endpoint, unknown
from admin.approvals.api import Request, ask
from admin.services import PAYMENTS
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply, answer, described
from gateway.http.problems import Problem
from payments.ledger.book import MoneyRefused
from payments.reconciliation.rules import Repair, read_group
from payments.requests import Act, ActRefused, Right


class DifferenceLine(ApiModel):
    """A difference between a statement and the book."""

    id: int
    provider: str
    kind: str
    amount: int = Field(
        validation_alias="amount_minor", description="By how much the operator holds more than the book says."
    )
    currency: str
    wallet: str
    detail: str
    found_at: datetime
    status: str
    offered: list[str]
    reference: UUID | None
    line: dict[str, str] = Field(description="Cells of the statement's line, numbers masked.")
    request: UUID | None = Field(description="A request about it that waits or is being done.")
    resolution: str | None
    note: str | None
    resolved_by: str | None


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


class DifferenceGroup(ApiModel):
    """Open differences that are decided alike."""

    key: str = Field(description="The subject of a request about all of them.")
    provider: str
    kind: str
    wallet: str
    currency: str
    day: date
    count: int
    amount: int
    asked: int = Field(description="So many are in a request that waits.")


class DifferenceGroups(ApiModel):
    """Groups of open differences, the oldest day first."""

    groups: list[DifferenceGroup]


class ImportedStatement(ApiModel):
    """A statement that was imported. Its id is the subject of a request to take it back."""

    id: UUID
    provider: str
    name: str
    lines: int
    imported_by: str
    imported_at: datetime
    undone_at: datetime | None
    open: int = Field(description="Its open differences.")


class Statements(ApiModel):
    """The latest imports."""

    statements: list[ImportedStatement]


class Comparison(ApiModel):
    """What importing a statement came to."""

    account: str
    lines: int
    new: int = Field(description="Lines that no file before it had.")
    skipped: int = Field(description="Lines that say that no money moved.")
    elsewhere: int = Field(description="Lines of another account at the same operator, which were left out.")
    matched: int
    waiting: int = Field(description="Lines that are asked about at the operator.")
    found: dict[str, int] = Field(description="New differences by kind.")
    fees: list[Amount] = Field(description="Fees that were booked.")
    closed: int = Field(description="Earlier differences that it explains.")


class CheckedWallet(ApiModel):
    """One wallet at one operator."""

    account: str
    wallet: str
    currency: str
    operator_minor: int | None = Field(description="What the operator says; null where it did not answer.")
    book_minor: int
    gap_minor: int | None = Field(description="Beyond what book and money in transit explain.")


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


@staff_endpoint(Right.READ_MONEY, query=DifferenceListing, returns={200: Differences}, problems=(404,))
async def differences(request: web.Request, _: Me, *, query: DifferenceListing) -> Reply:
    """List differences between statements and the book: the oldest 500."""
    group = None if query.group is None else read_group(query.group)
    if query.group is not None and group is None:
        raise unknown("group", query.group)
    reconciler = request.app[PAYMENTS].reconciler
    held = await reconciler.differences(open_only=not query.all, account=query.provider, group=group)
    return Reply(200, Differences(differences=[model_of(DifferenceLine, one) for one in held]))


@staff_endpoint(Right.READ_MONEY, query=GroupListing, returns={200: DifferenceGroups})
async def groups(request: web.Request, _: Me, *, query: GroupListing) -> Reply:
    """List open differences by what is decided alike."""
    held = [
        DifferenceGroup(
            key=line.group.key,
            provider=line.group.provider,
            kind=line.group.kind.value,
            wallet=line.group.wallet,
            currency=line.group.currency,
            day=line.group.day,
            count=line.many,
            amount=line.amount_minor,
            asked=line.asked,
        )
        for line in await request.app[PAYMENTS].reconciler.groups(query.provider)
    ]
    return Reply(200, DifferenceGroups(groups=held))


@staff_endpoint(Right.READ_MONEY, returns={200: Statements})
async def statements(request: web.Request, _: Me) -> Reply:
    """List the latest statements that were imported."""
    held = [model_of(ImportedStatement, file) for file in await request.app[PAYMENTS].reconciler.files()]
    return Reply(200, Statements(statements=held))


@staff_endpoint(proof=True, path=DifferencePath, body=Resolution, returns={201: Request}, problems=(404, 409))
async def resolve(request: web.Request, who: Me, *, path: DifferencePath, body: Resolution) -> Reply:
    """Ask for a decision about a difference.

    Nothing is booked before a second person agrees. A group of differences is asked about by POST
    /api/admin/requests, with its key as the subject.
    """
    params = {"repair": body.repair.value, "operator_reference": body.operator_reference}
    return await ask(request, who, Act.RECONCILE, str(path.number), body.reason, params)


@described(returns={201: Comparison}, problems=(400, *SIGNED_IN, 404, 408, 409, 413, 415), tag=TAG)
async def import_statement(request: web.Request) -> web.Response:
    """Import a statement and compare each of its lines with the book.

    A multipart/form-data body: `account`, like mtn_momo, and one file, CSV or XLSX as the operator exports it. The
    same file twice is refused.
    """
    who = await api_me(request, Right.RECONCILE)
    fields, name, data = await read_upload(request)
    if not data:
        raise Problem(400, "No file", "Send the statement as a file.", kind="/problems/no_file")
    try:
        done = await request.app[PAYMENTS].reconciler.import_file(fields.get("account", ""), name, data, who.email)
    except (ActRefused, MoneyRefused) as error:
        raise problem_of(error) from None
    return answer(Reply(201, model_of(Comparison, done)))


@staff_endpoint(proof=True, path=StatementPath, body=Reason, returns={201: Request}, problems=(404, 409))
async def undo_import(request: web.Request, who: Me, *, path: StatementPath, body: Reason) -> Reply:
    """Ask to take an import back as a whole.

    Nothing is changed before a second person agrees.
    """
    return await ask(request, who, Act.UNDO_IMPORT, str(path.statement_id), body.reason, {})


@staff_endpoint(Right.RECONCILE, returns={200: CheckedWallets})
async def check_wallets(request: web.Request, _: Me) -> Reply:
    """Ask every operator what our wallets hold, and compare with the book."""
    checked = await request.app[PAYMENTS].reconciler.check_balances()
    return Reply(200, CheckedWallets(wallets=[model_of(CheckedWallet, one) for one in checked]))


def setup(app: web.Application) -> None:
    """Serve them. The application needs PAYMENTS and APPROVALS."""
    app.router.add_get("/api/admin/differences", differences)
    app.router.add_get("/api/admin/differences/groups", groups)
    app.router.add_get("/api/admin/statements", statements)
    app.router.add_post("/api/admin/statements", import_statement)
    app.router.add_post("/api/admin/statements/{statementId}/undo", undo_import)
    app.router.add_post("/api/admin/wallets/check", check_wallets)
    app.router.add_post("/api/admin/differences/{number}", resolve)
