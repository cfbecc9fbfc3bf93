"""What pages and API of every noun answer alike: refusals, unknown things, amounts."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema
from sqlalchemy import Row

from admin.access.guard import Me, api_me, say
from gateway.http.endpoint import ApiModel, InputModel, Line
from gateway.http.problems import Problem
from gateway.values.money import Money
from payments.ledger.book import MoneyRefused, UnknownName
from payments.requests import ActRefused, Right, Why

Model = TypeVar("Model", bound=BaseModel)
T = TypeVar("T")
PageOnly = Annotated[T, SkipJsonSchema(), Field(exclude=True)]
"""A field for pages, which the API does not show."""
TAG: Final = "back office"
SIGNED_IN: Final = (401, 403, 503)
_STATUS_OF: Final[Mapping[Why, int]] = {
    Why.UNKNOWN: 404,
    Why.NO_REASON: 422,
    Why.NO_PERSON: 403,
    Why.NOT_ALLOWED: 403,
    Why.OWN_REQUEST: 403,
}


class Amount(ApiModel):
    """Money."""

    amount_minor: int = Field(
        serialization_alias="amount", title="Amount", description="In minor units; francs have none smaller."
    )
    currency: str

    def spoken(self) -> str:
        """As `Money` has it, for pages."""
        return Money(self.amount_minor, self.currency).spoken()


class Reason(InputModel):
    """Why, for the record."""

    reason: Line = Field(max_length=500)


class Listing(InputModel):
    """How much of a list."""

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


def refused(request: web.Request, me: Me, error: ActRefused) -> web.Response:
    """A page that says why an act was refused: nothing was changed."""
    return say(request, _status_of(error), f"refused_{error.why.value}", me, str(error))


def act_problem(error: ActRefused) -> Problem:
    """The API's answer to an act that was refused."""
    return Problem(_status_of(error), "Act refused", str(error), kind=f"/problems/{error.why.value}")


def money_problem(error: MoneyRefused) -> Problem:
    """The API's answer to what the book or a statement does not allow."""
    status = 404 if isinstance(error, UnknownName) else 409
    return Problem(status, "Money refused", str(error), kind="/problems/money_refused")


def unknown(what: str, name: object) -> Problem:
    """The API's answer about what does not exist, or is another organiser's."""
    return Problem(404, f"Unknown {what}", f"there is no {what} {str(name)!r}", kind=f"/problems/unknown_{what}")


async def proven(request: web.Request, right: Right | None = None) -> Me:
    """Who asks by the API, having proven lately who they are. Problem 401, 403."""
    me = await api_me(request, right)
    if not me.proven:
        raise Problem(
            403,
            "Proof wanted",
            "POST a code to /api/auth/confirm, then send this again.",
            kind="/problems/proof_wanted",
        )
    return me


def read_id(request: web.Request, name: str) -> UUID | None:
    """An id in the address of a page; None for what is no id."""
    try:
        return UUID(request.match_info[name])
    except ValueError:
        return None


def _status_of(error: ActRefused) -> int:
    return _STATUS_OF.get(error.why, 409)
