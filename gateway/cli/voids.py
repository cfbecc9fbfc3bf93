"""`spotlight void` and `spotlight callbacks`: windows that are taken back, callbacks judged once more."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli import staff_words
from gateway.cli.failures import told_failures
from gateway.cli.money_words import As, AsJson, Reason, example, instant, shown
from gateway.cli.staff_words import Public, Request
from payments.requests import Act, ActRefused, Why

if TYPE_CHECKING:
    from gateway.runtime.container import Container
    from payments.disbursement.refunds.voids import VoidProgress

void_app = typer.Typer(
    help="Void a window of a contest: every vote in it leaves the count and its money goes back.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
callbacks_app = typer.Typer(help="What operators told us.", no_args_is_help=True, rich_markup_mode=None)

_VOIDS: Final = (Act.VOID_WINDOW,)

Contest = Annotated[str, typer.Argument(help="The contest, by its slug.")]
From = Annotated[str, typer.Option("--from", help="First instant of the window, UTC where no zone is given.")]
To = Annotated[str, typer.Option("--to", help="End of the window; what was ordered at this instant is not in it.")]
Channel = Annotated[
    str | None, typer.Option("--channel", help="Only votes of this channel: ussd, sms, telegram, web, api.")
]
Operator = Annotated[str | None, typer.Option("--operator", help="Only payments by this operator: mtn_momo …")]

_WINDOW_EXAMPLE: Final = "star --from 2026-11-21T20:00 --to 2026-11-21T20:30 --channel ussd"


@void_app.command("preview", epilog=example(f"spotlight void preview {_WINDOW_EXAMPLE}"))
def preview(
    contest: Contest,
    first: From,
    last: To,
    channel: Channel = None,
    operator: Operator = None,
    as_json: AsJson = False,
) -> None:
    """Print what voiding a window would take back: votes and money by candidate, channel and operator.

    Nothing is changed. Counted and held payments are in the window by when they were ordered.
    """
    with told_failures():
        params = _window(first, last, channel, operator)

        async def read(desk: "Container") -> Mapping[str, Any]:
            return await desk.voids.preview(contest, params)

        found = staff_words.at_the_desk(read)
        print(json.dumps(found, indent=2) if as_json else "\n".join(staff_words.preview_lines(found)))


@void_app.command(
    "ask",
    epilog=example(f"spotlight void ask {_WINDOW_EXAMPLE} --as awa@example.org --reason 'the jury stopped the round'"),
)
def ask_void(
    contest: Contest,
    first: From,
    last: To,
    person: As,
    reason: Reason,
    channel: Channel = None,
    operator: Operator = None,
    public: Public = None,
) -> None:
    """Ask to void a window. Its payments are listed now, and exactly these are given back once somebody agrees."""
    with told_failures():
        params = {**_window(first, last, channel, operator), **staff_words.given({"public_reason": public})}
        staff_words.asked("void", Act.VOID_WINDOW, contest, params, reason, person)


@void_app.command("list", epilog=example("spotlight void list"))
def list_voids(as_json: AsJson = False) -> None:
    """Print windows that wait for a second person or are being voided."""
    with told_failures():
        requests = staff_words.waiting(_VOIDS)
        if as_json:
            print(json.dumps([staff_words.as_json(request) for request in requests], indent=2))
            return
        print(staff_words.request_table(requests) if requests else "no window is asked for or being voided")


@void_app.command("approve", epilog=example("spotlight void approve REQUEST --as yao@example.org"))
def approve_void(request: Request, person: As) -> None:
    """Agree to a voided window, as the second person. The workers go through its list, also after a restart."""
    with told_failures():
        staff_words.decided("void", _VOIDS, request, person, approve=True)


@void_app.command("reject", epilog=example("spotlight void reject REQUEST --as yao@example.org"))
def reject_void(request: Request, person: As) -> None:
    """Turn down a window that somebody asked to void. Nothing is changed."""
    with told_failures():
        staff_words.decided("void", _VOIDS, request, person, approve=False)


@void_app.command("progress", epilog=example("spotlight void progress REQUEST"))
def progress(request: Request, as_json: AsJson = False) -> None:
    """Print how far a voided window is: payments looked at, votes and money taken back, money arrived."""
    with told_failures():
        number = staff_words.read_id(request)

        async def read(desk: "Container") -> "tuple[str, tuple[VoidProgress, ...]]":
            found, lines = await desk.acts.requests.read(number), await desk.voids.progress(number)
            if found is None or not lines:
                raise ActRefused(Why.UNKNOWN, f"{number} is no voided window; `spotlight void list` shows them")
            return found.status.value, lines

        status, lines = staff_words.at_the_desk(read)
        if as_json:
            print(json.dumps({"status": status, "lines": [_progress_json(line) for line in lines]}, indent=2))
            return
        print(f"status: {status}")
        for line in lines:
            money, whole = shown(line.money_done_minor, line.currency), shown(line.money_minor, line.currency)
            print(f"payments looked at: {line.done} of {line.payments}, {line.skipped} had left the count before")
            print(f"taken back: {line.votes_done} of {line.votes} votes, {money} of {whole}")
            print(f"payers who have their money: {line.refunded}; refunds that wait for a person: {line.manual}")


@callbacks_app.command(
    "replay",
    epilog=example("spotlight callbacks replay 4711 --as awa@example.org --reason 'read wrongly before the fix'"),
)
def replay(
    callback: Annotated[str, typer.Argument(help="The callback's number, as the back office shows it.")],
    person: As,
    reason: Reason,
) -> None:
    """Have a stored callback judged once more. It is a hint: the operator is asked before anything counts."""
    with told_failures():
        staff_words.asked("callbacks", Act.REPLAY_CALLBACK, callback, {}, reason, person)


def _window(first: str, last: str, channel: str | None, operator: str | None) -> dict[str, Any]:
    since, until = instant(first), instant(last)
    return {
        "from": since.isoformat() if since else "",
        "to": until.isoformat() if until else "",
        **staff_words.given({"channel": channel, "operator": operator}),
    }


def _progress_json(line: "VoidProgress") -> dict[str, Any]:
    return {
        "currency": line.currency,
        "payments": line.payments,
        "done": line.done,
        "skipped": line.skipped,
        "votes": line.votes,
        "votesDone": line.votes_done,
        "moneyMinor": line.money_minor,
        "moneyDoneMinor": line.money_done_minor,
        "refunded": line.refunded,
        "manual": line.manual,
    }
