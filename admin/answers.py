"""What pages and API of every noun answer alike: refusals, unknown things, amounts."""

import functools
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field
from pydantic.json_schema import SkipJsonSchema
from sqlalchemy import Row

from admin.access.guard import Me, api_me, declares, problem_of_frozen, problem_of_quota, status_of
from gateway.contests.quotas import QuotaReached
from gateway.http.amount import Amount
from gateway.http.endpoint import BODY_BYTES_MAX, InputModel, Line, Reply, Returns, Sends, endpoint
from gateway.http.problems import Problem
from gateway.storage.engine import ReadOnly
from payments.ledger.book import MoneyRefused, UnknownName
from payments.requests import ActRefused, Right

Model = TypeVar("Model", bound=BaseModel)
T = TypeVar("T")
ServeStaff = Callable[..., Awaitable[Reply]]
PageOnly = Annotated[T, SkipJsonSchema(), Field(exclude=True)]
"""A field for pages, which the API does not show."""
TAG: Final = "back office"
SIGNED_IN: Final = (401, 403, 503)


class Reason(InputModel):
    """Why, for the record."""

    reason: Line = Field(max_length=500)


def as_utc(at: datetime) -> datetime:
    """An instant of any zone. ValueError for what no calendar of ours has."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("no such instant") from None


class AsOf(InputModel):
    """As of when."""

    as_of: Annotated[AwareDatetime, AfterValidator(as_utc)] | None = Field(
        None, description="An instant in the past, like 2026-11-21T18:00:00Z; without it, now."
    )


class Listing(AsOf):
    """How much of a list, and as of when."""

    all: bool = Field(False, description="Also what is over.")


def model_of(model: type[Model], value: object) -> Model:
    """A value of ours as the API shows it, field by field of the same name."""
    return model.model_validate(value, from_attributes=True)


def read_row(model: type[Model], row: Row[Any], **more: object) -> Model:
    """A row whose columns have the names of fields. `amount_minor` and `currency` make the amount."""
    given = row._asdict() | more
    if "amount_minor" in given:
        given["amount"] = Amount(amount_minor=given["amount_minor"], currency=given["currency"])
    return model.model_validate(given)


def problem_of(error: ActRefused | MoneyRefused) -> Problem:
    """The API's answer to an act that was refused, or to what the book or a statement does not allow."""
    if isinstance(error, ActRefused):
        return Problem(status_of(error), "Act refused", str(error), kind=f"/problems/{error.why.value}")
    status = 404 if isinstance(error, UnknownName) else 409
    return Problem(status, "Money refused", str(error), kind="/problems/money_refused")


def unknown(what: str, name: object) -> Problem:
    """The API's answer about what does not exist, or is another organiser's."""
    return Problem(404, f"Unknown {what}", f"there is no {what} {str(name)!r}", kind=f"/problems/unknown_{what}")


def check_proof(me: Me) -> None:
    """They must have proven lately who they are. Problem 403."""
    if not me.proven:
        raise Problem(
            403,
            "Proof wanted",
            "POST a code to /api/auth/confirm, then send this again.",
            kind="/problems/proof_wanted",
        )


def staff_endpoint(
    right: Right | None = None,
    *,
    returns: Returns,
    proof: bool = False,
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    path: type[BaseModel] | None = None,
    headers: Mapping[str, str] | None = None,
    problems: tuple[int, ...] = (),
    sends: Sends | None = None,
    bytes_max: int = BODY_BYTES_MAX,
) -> Callable[[ServeStaff], Handler]:
    """An `endpoint` for those who have a right, whose handler takes who asks besides; a refusal of it is a problem.
    `proof`: from those who proved lately who they are."""

    def wrap(serve: ServeStaff) -> Handler:
        async def guard(request: web.Request) -> None:
            # Before anything that was sent is read.
            me = await api_me(request, right)
            if proof:
                check_proof(me)

        @functools.wraps(serve)
        async def guarded(request: web.Request, **given: object) -> Reply:
            try:
                return await serve(request, await api_me(request, right), **given)
            except (ActRefused, MoneyRefused) as error:
                raise problem_of(error) from None
            except ReadOnly:
                raise problem_of_frozen() from None
            except QuotaReached as error:
                raise problem_of_quota(error) from None

        described = endpoint(
            returns=returns,
            body=body,
            query=query,
            path=path,
            headers=headers,
            problems=(*SIGNED_IN, *problems),
            tag=TAG,
            sends=sends,
            guard=guard,
            bytes_max=bytes_max,
        )
        return declares(right)(described(guarded))

    return wrap


def read_id(request: web.Request, name: str) -> UUID | None:
    """An id in the address of a page; None for what is no id."""
    try:
        return UUID(request.match_info[name])
    except ValueError:
        return None
