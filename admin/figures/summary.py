"""What a contest sold in a span, by API."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final

from aiohttp import web
from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from admin.access.guard import Me
from admin.answers import as_utc, staff_endpoint
from admin.figures.rules import HOUR, known_span, ranks
from admin.figures.store import EVER, FIGURES, Slot, Sums
from channels.messages.dialogue_steps import DialogueStep
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply
from gateway.orders.rules import Channel
from payments.requests import Right

API: Final = "/api/admin/contests/{slug}/summary"
_TOP: Final = 10
_SINCE: Final = "From then on, to the minute; without it, from the beginning."
_UNTIL: Final = "Until before then, to the minute; without it, until now."
Instant = Annotated[AwareDatetime, AfterValidator(as_utc)]


class SummaryPath(InputModel):
    """The contest that is meant."""

    slug: Line = Field(max_length=100)


class Within(InputModel):
    """Of which span."""

    since: Instant | None = Field(None, alias="from", description=_SINCE)
    until: Instant | None = Field(None, alias="to", description=_UNTIL)

    @model_validator(mode="after")
    def _ordered(self) -> "Within":
        if self.since and self.until and self.since > self.until:
            raise ValueError("the span ends before it begins")
        return self


class Part(Sums):
    """The sums of one channel or wallet."""

    key: str


class Funnel(ApiModel):
    """How many came how far by USSD, from the first screen to the counted vote."""

    dials: int
    candidates: int = Field(description="Dialogues in which a candidate was chosen.")
    confirmations: int = Field(description="Dialogues in which what is bought and its price were shown.")
    orders: int
    asked: int = Field(description="Whose payer was asked for the PIN.")
    paid: int = Field(description="Also what is held since, or goes back.")


class Top(ApiModel):
    """A candidate with the votes that were counted within the span."""

    rank: int
    code: str
    name: str
    votes: int
    amount: int


class Summary(ApiModel):
    """What was sold, in minor units. `at`: up to when everything is counted in."""

    at: datetime
    votes: int
    amount: int
    currency: str
    orders: int
    paid: int
    held: int
    returned: int
    by_channel: list[Part]
    by_method: list[Part]
    by_hour: list[Slot]
    funnel: Funnel
    top: list[Top]


@staff_endpoint(Right.READ_ORDERS, path=SummaryPath, query=Within, returns={200: Summary}, problems=(404,))
async def summary(request: web.Request, me: Me, *, path: SummaryPath, query: Within) -> Reply:
    """Tell what a contest sold.

    Each number is of what happened within the span: what is refunded in it is taken out of it, whenever it was sold.
    Before the last 90 days a span is of whole hours, those that it begins and ends in included.
    """
    figures = request.app[FIGURES]
    contest = await figures.contest(path.slug, me.scope)
    at = await figures.read_at()
    span = known_span(query.since or EVER, query.until or at, at)
    totals = await figures.totals(me.scope, [contest.id], *span, ["all", "channel", "method", "candidate"])
    hours = await figures.slots(me.scope, [contest.id], *span, step=HOUR)
    whole = totals["all"].get("", Sums())
    names = {candidate.code: candidate.name for candidate in contest.candidates}
    counted = {code: sums for code, sums in totals["candidate"].items() if sums.votes}
    places = ranks({code: sums.votes for code, sums in counted.items()})
    first = sorted(counted, key=lambda code: (places[code], code))[:_TOP]
    return Reply(
        200,
        Summary(
            at=at,
            votes=whole.votes,
            amount=whole.amount,
            currency=contest.price.currency,
            orders=whole.orders,
            paid=whole.paid,
            held=whole.held,
            returned=whole.returned,
            by_channel=_parts(totals["channel"]),
            by_method=_parts(totals["method"]),
            by_hour=hours,
            funnel=funnel_of(await figures.steps(me.scope, [contest.id], *span), totals["channel"]),
            top=[
                Top(
                    rank=places[code],
                    code=code,
                    name=names.get(code, code),
                    votes=counted[code].votes,
                    amount=counted[code].amount,
                )
                for code in first
            ],
        ),
    )


def funnel_of(steps: Mapping[DialogueStep, int], by_channel: Mapping[str, Sums]) -> Funnel:
    """The way of those who dialled, and of the orders that they made."""
    ordered = by_channel.get(Channel.USSD.value, Sums())
    return Funnel(
        dials=steps[DialogueStep.DIALLED],
        candidates=steps[DialogueStep.CHOSEN],
        confirmations=steps[DialogueStep.CONFIRMING],
        orders=ordered.orders,
        asked=ordered.asked,
        paid=ordered.paid + ordered.held + ordered.returned,
    )


def _parts(held: dict[str, Sums]) -> list[Part]:
    parts = [Part(key=key, **sums.model_dump()) for key, sums in held.items()]
    return sorted(parts, key=lambda part: (-part.votes, part.key))


def setup(app: web.Application) -> None:
    """Serve it. The application needs FIGURES."""
    app.router.add_get(API, summary)
