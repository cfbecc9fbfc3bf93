"""`spotlight void` and `spotlight callbacks`: windows that are taken back, callbacks judged once more."""

import json
from typing import Annotated, Final

import typer

from gateway.cli.failures import report_failures
from gateway.cli.formats import AsJson, Reason, example, instant, shown
from gateway.cli.staff_api import ApiRefused, StaffApi
from gateway.cli.staff_requests import Public, Request, ask, decide, preview_lines, read_id, request_table, waiting

void_app = typer.Typer(
    help="Void a window of a contest: every vote in it leaves the count and its money goes back.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
callbacks_app = typer.Typer(help="What operators sent us.", no_args_is_help=True, rich_markup_mode=None)

_VOIDS: Final = ("void_window",)

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
    with report_failures():
        body = {"contest": contest, **_window(first, last), "channel": channel, "operator": operator}
        found = StaffApi().post("voids/preview", body)["preview"]
        print(json.dumps(found, indent=2) if as_json else "\n".join(preview_lines(found)))


@void_app.command(
    "ask",
    epilog=example(f"spotlight void ask {_WINDOW_EXAMPLE} --reason 'the jury stopped the round'"),
)
def ask_void(
    contest: Contest,
    first: From,
    last: To,
    reason: Reason,
    channel: Channel = None,
    operator: Operator = None,
    public: Public = None,
) -> None:
    """Ask to void a window. Its payments are listed now, and exactly these are given back once somebody agrees."""
    with report_failures():
        window = {**_window(first, last), "channel": channel, "operator": operator}
        ask("void", "void_window", contest, reason, **window, public_reason=public)


@void_app.command("list", epilog=example("spotlight void list"))
def list_voids(as_json: AsJson = False) -> None:
    """Print windows that wait for a second person or are being voided."""
    with report_failures():
        requests = waiting(StaffApi(), _VOIDS)
        if as_json:
            print(json.dumps(requests, indent=2))
            return
        print(request_table(requests) if requests else "no window is asked for or being voided")


@void_app.command("approve", epilog=example("spotlight void approve REQUEST"))
def approve_void(request: Request) -> None:
    """Agree to a voided window, as the second person. The workers go through its list, also after a restart."""
    with report_failures():
        decide("void", _VOIDS, request, approve=True)


@void_app.command("reject", epilog=example("spotlight void reject REQUEST"))
def reject_void(request: Request) -> None:
    """Turn down a window that somebody asked to void. Nothing is changed."""
    with report_failures():
        decide("void", _VOIDS, request, approve=False)


@void_app.command("progress", epilog=example("spotlight void progress REQUEST"))
def progress(request: Request, as_json: AsJson = False) -> None:
    """Print how far a voided window is: payments looked at, votes and money taken back, money arrived."""
    with report_failures():
        number = read_id(request)
        try:
            found = StaffApi().get(f"voids/{number}")
        except ApiRefused as refused:
            if refused.kind not in ("unknown_request", "unknown_window"):
                raise
            raise ApiRefused(f"{number} is no voided window; `spotlight void list` shows them") from None
        if as_json:
            print(json.dumps(found, indent=2))
            return
        print(f"status: {found['status']}")
        for line in found["lines"]:
            done, whole = shown(line["moneyDoneMinor"], line["currency"]), shown(line["moneyMinor"], line["currency"])
            looked = f"{line['done']} of {line['payments']}"
            print(f"payments looked at: {looked}, {line['skipped']} had left the count before")
            print(f"taken back: {line['votesDone']} of {line['votes']} votes, {done} of {whole}")
            waiting_for = f"refunds that wait for a person: {line['manual']}"
            print(f"payers who have their money: {line['refunded']}; {waiting_for}")


@callbacks_app.command(
    "replay",
    epilog=example("spotlight callbacks replay 4711 --reason 'read wrongly before the fix'"),
)
def replay(
    callback: Annotated[str, typer.Argument(help="The callback's number, as the back office shows it.")],
    reason: Reason,
) -> None:
    """Have a stored callback judged once more. It is a hint: the operator is asked before anything counts."""
    with report_failures():
        ask("callbacks", "replay_callback", callback, reason)


def _window(first: str, last: str) -> dict[str, str]:
    return {"from": _instant(first), "to": _instant(last)}


def _instant(typed: str) -> str:
    read = instant(typed)
    return read.isoformat() if read else ""
